"""GET views: the dashboard, the conversation lists and the chat page, with the fragments they refresh."""

from __future__ import annotations

import secrets
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from relais.accounts.models import User
from relais.action_errors import ActionRefused
from relais.company import messenger
from relais.conversations import fragments, list_filters, list_order, list_rows, timeline
from relais.conversations.dashboard_stats import dashboard_stats
from relais.conversations.keyset_pagination import PAGE_SIZE, SIDEBAR_SIZE, Page, paginate
from relais.conversations.list_order import ListOrder
from relais.conversations.models import Conversation, MessageDelivery
from relais.conversations.permissions import assignable_agents, permissions_for
from relais.conversations.querysets import ConversationQuerySet
from relais.conversations.refusal_texts import refusal_sentence
from relais.conversations.views.responses import get_conversation
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.notes.models import mark_mentions_read
from relais.web.responses import AgentRequest, agent_required

MAX_OTHER_CONVERSATIONS = 10


@require_safe
@agent_required
def overview(request: AgentRequest) -> HttpResponse:
    context = {
        "stats": dashboard_stats(request.user, at=now()),
        **_queues_context(request.user),
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
def pending(request: AgentRequest) -> HttpResponse:
    context = _list_context(request, request.user.reachable_conversations().waiting(), list_order.BY_WAIT)
    return render(request, "conversations/pending.html", context)


@require_safe
@agent_required
def active(request: AgentRequest) -> HttpResponse:
    tab = list_filters.find_tab(request.GET.get("tab", ""))
    conversations = list_filters.conversations_in_tab(tab, request.user)
    context = _list_context(request, conversations, list_order.BY_ACTIVITY)
    return render(request, "conversations/active.html", context | {"tab": tab, "tabs": list_filters.TABS})


@require_safe
@agent_required
def conversations(request: AgentRequest) -> HttpResponse:
    filters = list_filters.parse_filters(request.GET.dict())
    filtered = filters.apply(request.user.reachable_conversations())
    context = {
        **_list_context(request, filtered, list_order.BY_ACTIVITY),
        "filters": filters,
        "statuses": list_filters.STATUSES,
        "agents": User.objects.all(),
    }
    return render(request, "conversations/conversations.html", context)


@require_safe
@agent_required
def chat(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    mark_read(request, conversation)
    return chat_page(request, conversation)


@require_safe
@agent_required
def panes(request: AgentRequest, pk: int) -> HttpResponse:
    """What the chat page replaces to show this conversation. It may be a prefetch, so nothing is marked as read."""
    context = _panes_context(request, get_conversation(request, pk)) | {"is_swap": True}
    return render(request, "conversations/_panes.html", context)


@require_safe
@agent_required
def panels(request: AgentRequest, pk: int) -> HttpResponse:
    return panels_fragment(request, get_conversation(request, pk))


@require_safe
@agent_required
def earlier_messages(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    page = timeline.timeline_page(conversation, before=_before(request))
    context = {"conversation": conversation, "timeline": page}
    return render(request, "conversations/_timeline_page.html", context)


@require_safe
@agent_required
def sidebar(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    context = {"conversation": conversation, **_queues_context(request.user)}
    return render(request, "conversations/_sidebar.html", context)


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
        **_queues_context(request.user),
        "draft": draft,
        "refusal": refusal,
    }
    status = refusal.http_status if refusal else 200
    return render(request, "conversations/chat.html", context, status=status)


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
        "timeline": timeline.timeline_page(conversation, before=_before(request)),
        "is_earlier_page": _before(request) is not None,
    }


def _panels_context(request: AgentRequest, conversation: Conversation) -> dict[str, Any]:
    """Header, composer and client card: what changes with the state of the conversation."""
    permissions = permissions_for(conversation, request.user, at=now())
    blocked_by = permissions.write_blocked_by
    return {
        "conversation": conversation,
        "client": conversation.client,
        "permissions": permissions,
        "write_blocked_reason": refusal_sentence(blocked_by) if blocked_by else "",
        "max_characters": MAX_MESSAGE_CHARACTERS,
        # The idempotency key of the message being composed: a double click sends it once, even without scripts.
        "ref": secrets.token_urlsafe(16),
        "opted_out_since": conversation.opted_out_since(),
        "assignable_agents": assignable_agents(conversation) if permissions.may_reassign else (),
        "other_conversations": _other_conversations(request.user, conversation),
        "successor": _successor(request.user, conversation),
    }


# -- helpers ----------------------------------------------------------------------------------------------


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


def _queues_context(user: User) -> dict[str, list[str]]:
    """The rows of waiting conversations and of those that `user` holds."""
    conversations: ConversationQuerySet = user.reachable_conversations()
    return {
        "waiting": _first_rows(conversations.waiting(), list_order.BY_WAIT),
        "mine": _first_rows(conversations.held_by(user), list_order.BY_ACTIVITY),
    }


def _first_rows(conversations: ConversationQuerySet, order: ListOrder) -> list[str]:
    page = paginate(list_rows.with_row_data(conversations), order, size=SIDEBAR_SIZE)
    return [fragments.row(conversation) for conversation in page.rows]


def _list_context(
    request: AgentRequest, conversations: ConversationQuerySet, order: ListOrder
) -> dict[str, Any]:
    page: Page = paginate(
        list_rows.with_row_data(conversations),
        order,
        size=PAGE_SIZE,
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
    )
    return {
        "rows": [fragments.row(conversation) for conversation in page.rows],
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


def _before(request: AgentRequest) -> int | None:
    before = request.GET.get("before", "")
    return int(before) if before.isascii() and before.isdigit() and len(before) < 10 else None
