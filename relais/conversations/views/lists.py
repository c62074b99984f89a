"""The conversation lists: pages of their own, and the list beside a conversation."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from relais.accounts.models import User
from relais.action_errors import InvalidField
from relais.company import company_settings
from relais.conversations import fragments, list_filters, list_order, list_rows
from relais.conversations.drafts import conversations_with_draft
from relais.conversations.keyset_pagination import PAGE_SIZE, SIDEBAR_SIZE, paginate
from relais.conversations.list_counts import open_counts
from relais.conversations.list_filters import Tab
from relais.conversations.list_order import ListOrder
from relais.conversations.models import Conversation
from relais.conversations.querysets import ConversationQuerySet
from relais.conversations.saved_views import clean_query, views_for
from relais.conversations.tags import Tag
from relais.conversations.views.responses import get_conversation
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.request_fields import text_field
from relais.web.responses import AgentRequest, agent_required

TAB_COOKIE = "relais_tab"
"""The tab chosen last, which the list beside the next conversation shows."""
MAX_ASIDE_ROWS = 150
"""Rows that the list beside a conversation keeps loaded: more make its page slow (see `list_pages.js`)."""


@require_safe
@agent_required
def pending(request: AgentRequest) -> HttpResponse:
    order = list_filters.order_of_tab("pending", request.user, at=now())
    context = {
        **_page_context(request, request.user.reachable_conversations().waiting(), order),
        **_order_context(request.user, "pending"),
    }
    return remember_tab(request, render(request, "conversations/pending.html", context), "pending")


@require_safe
@agent_required
def active(request: AgentRequest) -> HttpResponse:
    tab = list_filters.find_tab(request.GET.get("tab", "")) or list_filters.DEFAULT_TAB
    conversations = list_filters.conversations_in_tab(tab, request.user)
    order = list_filters.order_of_tab(tab.key, request.user, at=now())
    context = {
        **_page_context(request, conversations, order),
        **_tabs_context(request.user, tab),
    }
    return remember_tab(request, render(request, "conversations/active.html", context), tab.key)


@require_safe
@agent_required
def conversations(request: AgentRequest) -> HttpResponse:
    filters = list_filters.parse_filters(request.GET.dict())
    filtered = filters.apply(request.user.reachable_conversations())
    context = {
        **_page_context(request, filtered, filters.list_order(at=now())),
        "filters": filters,
        "list_rule": "found" if filters.is_set else "all" if filters.order else "every",
        "statuses": list_filters.STATUSES,
        "agents": User.objects.all(),
        **_saved_views_context(request),
        "all_tags": Tag.objects.in_order(),
        "close_reasons": _close_reasons(filters.reason),
    }
    return render(request, "conversations/conversations.html", context)


@require_safe
@agent_required
def sidebar(request: AgentRequest, pk: int) -> HttpResponse:
    """The list beside a conversation: a tab, or the part of it that starts after a cursor."""
    conversation = get_conversation(request, pk)
    aside = aside_context(request, conversation, before=request.GET.get("before", ""))
    context = {"conversation": conversation, **aside}
    return remember_tab(request, render(request, "conversations/_sidebar.html", context))


@require_POST
@agent_required
def set_order(request: AgentRequest) -> HttpResponse:
    """The order of a tab, of « Les miennes » if none is named: `need`, `time`, `wait` or `window`."""
    order, tab = text_field(request, "order"), list_filters.find_tab(text_field(request, "tab") or "mine")
    if tab is None or order not in list_filters.orders_of_tab(tab.key):
        return responses.refusal_response(InvalidField("order", _("Choisissez un ordre de la liste.")))
    request.user.set_list_order(tab.key, order)
    if wants_json(request):
        return responses.success_response(order=order)
    page = request.headers.get("Referer", "")
    is_own = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return redirect(page if is_own else f"{reverse('active')}?tab={tab.key}")


def _close_reasons(chosen: str) -> list[str]:
    """Those of the company's list, and the one that is filtered by."""
    reasons: list[str] = company_settings.get_value(company_settings.CLOSE_REASONS)
    return [*reasons, *([chosen] if chosen and chosen not in reasons else [])]


# -- contexts of templates ----------------------------------------------------------------------------------


def queues_context(user: User) -> dict[str, Any]:
    """The rows of waiting conversations and of those that `user` holds, and in which he has a draft."""
    conversations: ConversationQuerySet = user.reachable_conversations()
    own_order = list_filters.order_of_tab("mine", user, at=now())
    return {
        "waiting": _rows(conversations.waiting(), list_order.BY_WAIT),
        "mine": _rows(conversations.held_by(user).not_snoozed(), own_order),
        "own_order": own_order.key,
        "drafts": conversations_with_draft(user),
    }


def aside_context(request: AgentRequest, conversation: Conversation, *, before: str = "") -> dict[str, Any]:
    """The tab asked for, else the one chosen last, else the one that lists the conversation.

    `before` is given apart, since on the chat page that field of the query pages the timeline.
    """
    tab = (
        list_filters.find_tab(request.GET.get("tab", ""))
        or list_filters.find_tab(request.COOKIES.get(TAB_COOKIE, ""))
        or list_filters.tab_of(conversation, request.user)
    )
    order = list_filters.order_of_tab(tab.key, request.user, at=now())
    page = paginate(
        list_rows.with_row_data(list_filters.conversations_in_tab(tab, request.user)),
        order,
        size=_row_count(request),
        after=request.GET.get("after", ""),
        at=request.GET.get("from", ""),
        before=before,
    )
    return {
        "rows": [fragments.row(each) for each in page.rows],
        "previous_cursor": page.previous,
        "next_cursor": page.next,
        "order": order.key,
        **_tabs_context(request.user, tab),
    }


def remember_tab(request: AgentRequest, response: HttpResponse, key: str = "") -> HttpResponse:
    """Keep the tab that the reader chose by a link, for the list beside the next conversation."""
    key = key or request.GET.get("tab", "")
    if list_filters.find_tab(key) and request.COOKIES.get(TAB_COOKIE) != key:
        response.set_cookie(TAB_COOKIE, key, path=reverse("dashboard"), samesite="Lax", httponly=True)
    return response


def _saved_views_context(request: AgentRequest) -> dict[str, Any]:
    query = clean_query(request.META.get("QUERY_STRING", ""))
    views = list(views_for(request.user))
    current = next((view for view in views if view.query == query), None)
    may_delete = current is not None and (current.owner_id == request.user.pk or request.user.is_supervisor)
    return {
        "saved_views": views,
        "current_view": current,
        "may_delete_view": may_delete,
        "filter_query": query,
    }


def _tabs_context(user: User, tab: Tab) -> dict[str, Any]:
    counts = open_counts(user)
    return {
        "tab": tab,
        "tabs": [(each, counts[each.count]) for each in list_filters.TABS],
        "unread_count": counts["unread_mine"],
        "snoozed_count": counts["snoozed"],
        **_order_context(user, tab.key),
    }


def _order_context(user: User, tab_key: str) -> dict[str, Any]:
    chosen = list_filters.chosen_order(tab_key, user)
    labels = {name: list_order.ORDER_LABELS[name] for name in list_filters.orders_of_tab(tab_key)}
    return {
        "order_tab": tab_key,
        "chosen_order": chosen,
        "chosen_order_label": labels[chosen],
        "order_labels": labels,
    }


def _rows(conversations: ConversationQuerySet, order: ListOrder) -> list[str]:
    page = paginate(list_rows.with_row_data(conversations), order, size=SIDEBAR_SIZE)
    return [fragments.row(conversation) for conversation in page.rows]


def _row_count(request: AgentRequest) -> int:
    """How many rows the page asks for, in whole pages."""
    text = request.GET.get("rows", "")
    rows = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else SIDEBAR_SIZE
    return min(max(rows, SIDEBAR_SIZE), MAX_ASIDE_ROWS)


def _page_context(
    request: AgentRequest, conversations: ConversationQuerySet, order: ListOrder
) -> dict[str, Any]:
    page = paginate(
        list_rows.with_row_data(conversations),
        order,
        size=PAGE_SIZE,
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
    )
    return {
        "rows": [fragments.row(conversation) for conversation in page.rows],
        "conversations": page.rows,
        "drafts": conversations_with_draft(request.user),
        "order": order.key,
        "previous": _page_url(request, before=page.previous),
        "next": _page_url(request, after=page.next),
    }


def _page_url(request: AgentRequest, **cursor: str) -> str:
    """The URL of this list with another cursor; empty if there is no such page."""
    if not any(cursor.values()):
        return ""
    query = request.GET.copy()
    for name in ("after", "before"):
        query.pop(name, None)
    query.update(cursor)
    return f"{request.path}?{query.urlencode()}"
