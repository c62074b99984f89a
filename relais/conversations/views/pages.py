"""GET views: the dashboard and the chat page, with the fragments they refresh. The lists are in `lists.py`."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from relais.accounts.models import Team, User
from relais.action_errors import ActionRefused
from relais.clients.models import opt_out_label
from relais.company import messenger
from relais.conversations import event_text, fragments, timeline
from relais.conversations.dashboard_stats import dashboard_stats
from relais.conversations.drafts import conversations_with_draft, draft_of
from relais.conversations.event_types import EventType
from relais.conversations.models import Conversation, MessageDelivery
from relais.conversations.permissions import assignable_agents, permissions_for
from relais.conversations.querysets import ConversationQuerySet
from relais.conversations.refusal_texts import write_blocked_sentence
from relais.conversations.timeline import TimelineCursor
from relais.conversations.views import lists
from relais.conversations.views.responses import dialog_response, get_conversation
from relais.files import errors
from relais.files.channel_types import MAX_FILE_BYTES, MAX_FILES_PER_SEND, accept_attribute
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.notes.models import has_unread_mentions, mark_mentions_read
from relais.text import parse_primary_key
from relais.web.headers import MICROPHONE_POLICY
from relais.web.responses import AgentRequest, agent_required

MAX_OTHER_CONVERSATIONS = 10
MAX_BOT_ANSWERS = 20


@require_safe
@agent_required
def overview(request: AgentRequest) -> HttpResponse:
    context = {
        "stats": dashboard_stats(request.user, at=now()),
        **lists.queues_context(request.user),
        **_reconciliation_context(request.user),
    }
    return render(request, "conversations/overview.html", context)


@require_safe
@agent_required
def stats(request: AgentRequest) -> HttpResponse:
    context = {"stats": dashboard_stats(request.user, at=now())}
    return render(request, "conversations/_stats.html", context)


@require_safe
@agent_required
def reconciliation(request: AgentRequest) -> HttpResponse:
    """The status of the reconciliation with Twilio's log; empty for agents."""
    context = _reconciliation_context(request.user)
    return render(request, "conversations/_reconciliation.html", context)


@require_safe
@agent_required
def chat(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk, for_client_panel=True)
    mark_read(request, conversation)
    return chat_page(request, conversation)


@require_safe
@agent_required
def panes(request: AgentRequest, pk: int) -> HttpResponse:
    """What the chat page replaces to show this conversation. It may be a prefetch, so nothing is marked as read."""
    conversation = get_conversation(request, pk, for_client_panel=True)
    is_unread = conversation.is_held_by(request.user) and conversation.is_unread
    context = {
        **_panes_context(request, conversation),
        "is_unread": is_unread or has_unread_mentions(pk, request.user),
    }
    return render(request, "conversations/_panes.html", context)


@require_safe
@agent_required
def panels(request: AgentRequest, pk: int) -> HttpResponse:
    return panels_fragment(request, get_conversation(request, pk))


@require_safe
@agent_required
def earlier_messages(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    page = timeline.timeline_page(conversation, _timeline_cursor(request, conversation))
    # It is inserted at an edge of what the reader has: there is nothing to load on that side of it.
    is_later = "after" in request.GET
    page = replace(page, earlier_before=None) if is_later else replace(page, later_after=None)
    context = {"conversation": conversation, "timeline": page}
    return render(request, "conversations/_timeline_page.html", context)


def mark_read(request: AgentRequest, conversation: Conversation) -> None:
    """The reader sees what the client wrote, and the notes that mention him."""
    conversation.mark_read_by(request.user)
    mark_mentions_read(conversation.pk, request.user, at=now())


# -- responses that actions share -----------------------------------------------------------------------


def chat_page(
    request: AgentRequest,
    conversation: Conversation,
    *,
    draft: str = "",
    refusal: ActionRefused | None = None,
) -> HttpResponse:
    context = {
        **_panes_context(request, conversation),
        **lists.aside_context(request, conversation),
        "drafts": conversations_with_draft(request.user),
        "draft": draft,
        "refusal": refusal,
    }
    status = refusal.http_status if refusal else 200
    response = render(request, "conversations/chat.html", context, status=status)
    response["Permissions-Policy"] = MICROPHONE_POLICY
    return lists.remember_tab(request, response)


def transfer_dialog(request: AgentRequest, conversation: Conversation) -> HttpResponse:
    context = {
        "conversation": conversation,
        "assignable_agents": assignable_agents(conversation),
        "teams": Team.objects.all(),
    }
    return dialog_response(request, "conversations/_transfer_dialog.html", context)


def panels_fragment(
    request: AgentRequest, conversation: Conversation, refusal: ActionRefused | None = None
) -> HttpResponse:
    context = {**_panels_context(request, conversation), "refusal": refusal, "is_fragment": True}
    status = refusal.http_status if refusal else 200
    return render(request, "conversations/_panels.html", context, status=status)


def message_fragment(delivery: MessageDelivery) -> str:
    return fragments.message(delivery.event)


def _panes_context(request: AgentRequest, conversation: Conversation) -> dict[str, Any]:
    """The conversation was read before its events: the socket resends what happens in between, from its rev."""
    return {
        **_panels_context(request, conversation),
        "timeline": timeline.timeline_page(conversation, _timeline_cursor(request, conversation)),
        "scheduled": _scheduled(conversation),
    }


def _scheduled(conversation: Conversation) -> list[str]:
    if not getattr(conversation, "has_scheduled", True):  # without a query for most
        return []
    changeable = conversation.scheduled_messages.changeable().order_by("send_at", "pk")
    messages = list(changeable.prefetch_related("files"))
    for message in messages:
        message.conversation = conversation
    return [fragments.scheduled(message) for message in messages]


def _panels_context(request: AgentRequest, conversation: Conversation) -> dict[str, Any]:
    """Header, composer and client card: what changes with the state of the conversation."""
    at = now()
    permissions = permissions_for(conversation, request.user, at=at)
    draft = draft_of(request.user, conversation)
    blocked_by = permissions.write_blocked_by
    opted_out_since = conversation.opted_out_since()
    opt_out_source = conversation.client.opt_out_source(conversation.sender) if opted_out_since else ""
    return {
        "conversation": conversation,
        "client": conversation.client,
        "permissions": permissions,
        "write_blocked_reason": write_blocked_sentence(blocked_by, opt_out_source) if blocked_by else "",
        "max_characters": MAX_MESSAGE_CHARACTERS,
        "files": _file_limits(),
        # The idempotency key of the message being composed: a double click sends it once, even without scripts.
        "ref": secrets.token_urlsafe(16),
        "saved_draft": draft.text if draft else "",
        "draft_read_at": at,
        "opted_out_since": opted_out_since,
        "opt_out_label": opt_out_label(opt_out_source),
        "tags": conversation.tag_labels(),
        "other_conversations": _other_conversations(request.user, conversation),
        "successor": _successor(request.user, conversation),
        "bot_answers": _bot_answers(conversation),
    }


# -- helpers ----------------------------------------------------------------------------------------------


def _file_limits() -> dict[str, Any]:
    """What the page refuses at once, with the server's sentences."""
    return {
        "accepted": accept_attribute(),
        "most": MAX_FILES_PER_SEND,
        "max_bytes": MAX_FILE_BYTES,
        "too_large": errors.too_large("{name}", MAX_FILE_BYTES),
        "empty": errors.empty("{name}"),
        "too_many": errors.too_many_files(),
    }


def _bot_answers(conversation: Conversation) -> list[tuple[str, str]]:
    """What the client answered to the bot, by what it asked for: the last answer to each question."""
    answers = conversation.events.filter(event_type=EventType.FREE_INPUT).order_by("-seq")[:MAX_BOT_ANSWERS]
    latest: dict[str, str] = {}
    for event in answers:
        latest.setdefault(
            event_text.asked_for(event) or gettext("Réponse au bot"), event_text.event_quote(event)
        )
    return [(label, value) for label, value in reversed(latest.items()) if value]


def _successor(user: User, conversation: Conversation) -> Conversation | None:
    """The open conversation on the same channel, if this one has ended."""
    if conversation.is_open:
        return None
    successors = (
        user.reachable_conversations()
        .open()
        .filter(client=conversation.client_id, sender=conversation.sender)
    )
    successor: Conversation | None = successors.first()
    return successor


def _other_conversations(user: User, conversation: Conversation) -> list[Conversation]:
    others: ConversationQuerySet = user.reachable_conversations().filter(client=conversation.client_id)
    newest_first = others.select_related("agent").order_by("-last_activity_at", "-pk")
    return list(newest_first.exclude(pk=conversation.pk)[:MAX_OTHER_CONVERSATIONS])


def _reconciliation_context(user: User) -> dict[str, Any]:
    return {"reconciliation": messenger.reconciliation_state(at=now()) if user.is_supervisor else None}


def _timeline_cursor(request: AgentRequest, conversation: Conversation) -> TimelineCursor:
    """`around` is the id of an element: `message-12`, `event-12` or `note-3`."""
    kind, _, number = request.GET.get("around", "").partition("-")
    if pk := parse_primary_key(number):
        return TimelineCursor(around=_seq_of(kind, pk, conversation))
    return TimelineCursor(before=_seq_field(request, "before"), after=_seq_field(request, "after"))


def _seq_of(kind: str, pk: int, conversation: Conversation) -> int | None:
    if kind == "note":
        return conversation.notes.filter(pk=pk).values_list("after_seq", flat=True).first()
    return conversation.events.filter(pk=pk).values_list("seq", flat=True).first()


def _seq_field(request: AgentRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
