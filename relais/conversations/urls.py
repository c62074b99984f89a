"""URLs of the desk, with or without a trailing slash. `/dashboard` itself is in `relais.urls`."""

from django.urls import re_path

from relais.conversations.views import (
    actions,
    bulk,
    close_reason,
    drafts,
    lists,
    pages,
    saved_views,
    send_template,
    snooze,
    tag_settings,
    tags,
)

CHAT = r"^chat/(?P<pk>[0-9]{1,19})"

urlpatterns = [
    re_path(r"^$", pages.overview, name="dashboard"),
    re_path(r"^figures/?$", pages.stats, name="stats"),
    re_path(r"^verification/?$", pages.reconciliation, name="reconciliation"),
    re_path(r"^active/?$", lists.active, name="active"),
    re_path(r"^pending/?$", lists.pending, name="pending"),
    re_path(r"^conversations/?$", lists.conversations, name="conversations"),
    re_path(r"^views/?$", saved_views.saved_views, name="saved_views"),
    re_path(r"^views/(?P<pk>[0-9]{1,19})/delete/?$", saved_views.delete_saved_view, name="delete_saved_view"),
    re_path(r"^list-order/?$", lists.set_order, name="list_order"),
    re_path(rf"{CHAT}/?$", pages.chat, name="chat"),
    re_path(rf"{CHAT}/panes/?$", pages.panes, name="panes"),
    re_path(rf"{CHAT}/situation/?$", pages.panels, name="panels"),
    re_path(rf"{CHAT}/earlier/?$", pages.earlier_messages, name="earlier_messages"),
    re_path(rf"{CHAT}/aside/?$", lists.sidebar, name="sidebar"),
    re_path(rf"{CHAT}/read/?$", actions.mark_as_read, name="mark_as_read"),
    re_path(rf"{CHAT}/take-over/?$", actions.take_over, name="take_over"),
    re_path(rf"{CHAT}/draft/?$", drafts.draft, name="draft"),
    re_path(rf"{CHAT}/send/?$", actions.send, name="send"),
    re_path(rf"{CHAT}/send-template/?$", send_template.send_template, name="send_template"),
    re_path(rf"{CHAT}/close/?$", actions.close, name="close"),
    re_path(rf"{CHAT}/hand-back/?$", actions.hand_back, name="hand_back"),
    re_path(rf"{CHAT}/reassign/?$", actions.reassign, name="reassign"),
    re_path(rf"{CHAT}/transfer/?$", actions.transfer, name="transfer"),
    re_path(rf"{CHAT}/reopen/?$", actions.reopen, name="reopen"),
    re_path(rf"{CHAT}/undo-send/?$", actions.undo_send, name="undo_send"),
    re_path(rf"{CHAT}/resend/?$", actions.resend, name="resend"),
    re_path(rf"{CHAT}/tags/?$", tags.change_tags, name="change_tags"),
    re_path(rf"{CHAT}/snooze/?$", snooze.snooze, name="snooze"),
    re_path(rf"{CHAT}/arrived/?$", actions.confirm_arrival, name="confirm_arrival"),
    re_path(r"^close-reasons/?$", close_reason.close_reasons, name="close_reasons"),
    re_path(r"^conversations/bulk/?$", bulk.bulk, name="bulk"),
    re_path(r"^conversations/bulk/bar/?$", bulk.bulk_bar, name="bulk_bar"),
    re_path(r"^tags/?$", tags.tags, name="tags"),
    re_path(r"^settings/tags/?$", tag_settings.tag_settings, name="tag_settings"),
    re_path(r"^settings/tags/(?P<pk>[0-9]{1,18})/?$", tag_settings.edit_tag, name="edit_tag"),
    re_path(r"^settings/tags/(?P<pk>[0-9]{1,18})/merge/?$", tag_settings.merge_tag, name="merge_tag"),
    re_path(r"^settings/tags/(?P<pk>[0-9]{1,18})/delete/?$", tag_settings.delete_tag, name="delete_tag"),
]
