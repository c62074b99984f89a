"""The pages agents live in: the overview, the lists, the conversation."""

from __future__ import annotations

import secrets
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from relais.accounts.models import User
from relais.company import messenger
from relais.conversations import fragments, list_filters, list_rows, timeline
from relais.conversations.dashboard_stats import figures_for
from relais.conversations.keyset_pagination import Order, Page, page_of
from relais.conversations.lifecycle import Refusal
from relais.conversations.models import Conversation, Conversations, MessageDelivery
from relais.conversations.outbound import sentence_for
from relais.conversations.permissions import could_hold, standing_of
from relais.conversations.views.responses import AgentRequest, signed_in, status_of
from relais.text import MAX_MESSAGE_CHARACTERS

ROWS = 50
ASIDE = 30
"""Rows of each list beside a conversation."""


@require_safe
@signed_in
def overview(request: AgentRequest) -> HttpResponse:
    numbers = figures_for(request.user, at=now())
    context = {"figures": numbers, **_queues(request.user), **_verification(request.user)}
    return render(request, "conversations/overview.html", context)


@require_safe
@signed_in
def figures(request: AgentRequest) -> HttpResponse:
    context = {"figures": figures_for(request.user, at=now())}
    return render(request, "conversations/_figures.html", context)


@require_safe
@signed_in
def verification(request: AgentRequest) -> HttpResponse:
    """How reading Twilio's log is doing; agents have no use for it."""
    return render(request, "conversations/_verification.html", _verification(request.user))


@require_safe
@signed_in
def pending(request: AgentRequest) -> HttpResponse:
    page = _page(request, request.user.reachable_conversations().waiting(), list_filters.BY_WAIT)
    return render(request, "conversations/pending.html", page)


@require_safe
@signed_in
def active(request: AgentRequest) -> HttpResponse:
    tab = list_filters.tab_named(request.GET.get("tab", ""))
    page = _page(request, list_filters.of_tab(tab, request.user), list_filters.BY_ACTIVITY)
    return render(request, "conversations/active.html", page | {"tab": tab, "tabs": list_filters.TABS})


@require_safe
@signed_in
def conversations(request: AgentRequest) -> HttpResponse:
    filters = list_filters.filters_from(request.GET.dict())
    page = _page(request, filters.apply(request.user.reachable_conversations()), list_filters.BY_ACTIVITY)
    more = {"filters": filters, "statuses": list_filters.STATUSES, "agents": User.objects.all()}
    return render(request, "conversations/conversations.html", page | more)


@require_safe
@signed_in
def chat(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = _within_reach(request, pk)
    conversation.read_by(request.user)
    return chat_page(request, conversation)


@require_safe
@signed_in
def situation(request: AgentRequest, pk: int) -> HttpResponse:
    return situation_fragment(request, _within_reach(request, pk))


@require_safe
@signed_in
def earlier(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = _within_reach(request, pk)
    stretch = timeline.stretch(conversation, before=_before(request))
    return render(request, "conversations/_stretch.html", {"conversation": conversation, "stretch": stretch})


@require_safe
@signed_in
def aside(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = _within_reach(request, pk)
    return render(
        request, "conversations/_aside.html", {"conversation": conversation, **_queues(request.user)}
    )


# -- what actions answer with, too ------------------------------------------------------------------------


def chat_page(
    request: AgentRequest, conversation: Conversation, *, draft: str = "", refusal: Refusal | None = None
) -> HttpResponse:
    # The row was read before its events: what happens in between is told again by the socket, from this rev.
    context = {
        **_situation(request, conversation),
        "stretch": timeline.stretch(conversation, before=_before(request)),
        "is_past": _before(request) is not None,
        **_queues(request.user),
        "draft": draft,
        "refusal": refusal,
    }
    return render(request, "conversations/chat.html", context, status=status_of(refusal) if refusal else 200)


def situation_fragment(
    request: AgentRequest, conversation: Conversation, refusal: Refusal | None = None
) -> HttpResponse:
    context = {**_situation(request, conversation), "refusal": refusal, "is_fragment": True}
    return render(
        request, "conversations/_situation.html", context, status=status_of(refusal) if refusal else 200
    )


def message_fragment(delivery: MessageDelivery) -> str:
    return fragments.message(delivery.event)


def _situation(request: AgentRequest, conversation: Conversation) -> dict[str, Any]:
    standing = standing_of(conversation, request.user, at=now())
    return {
        "conversation": conversation,
        "client": conversation.client,
        "standing": standing,
        "silence": sentence_for(standing.silence) if standing.silence else "",
        "longest": MAX_MESSAGE_CHARACTERS,
        # One name per composed message, also where no script renews it: a double click says nothing twice.
        "ref": secrets.token_urlsafe(16),
        "opted_out_since": conversation.opted_out_since(),
        "could_hold": could_hold(conversation) if standing.may_reassign else (),
        "others": _other_conversations(request.user, conversation),
        "successor": _successor(request.user, conversation),
    }


# -- helpers ----------------------------------------------------------------------------------------------


def _within_reach(request: AgentRequest, pk: int) -> Conversation:
    reachable = request.user.reachable_conversations().select_related("address", "client", "agent", "team")
    conversation: Conversation = get_object_or_404(reachable, pk=pk)
    return conversation


def _successor(user: User, conversation: Conversation) -> Conversation | None:
    """The open conversation of the same channel, once this one has ended."""
    if conversation.is_open:
        return None
    following = (
        user.reachable_conversations()
        .open()
        .filter(client=conversation.client_id, sender=conversation.sender)
    )
    found: Conversation | None = following.first()
    return found


def _other_conversations(user: User, conversation: Conversation) -> list[Conversation]:
    others: Conversations = user.reachable_conversations().filter(client=conversation.client_id)
    return list(
        others.exclude(pk=conversation.pk).select_related("agent").order_by("-last_activity_at", "-pk")[:10]
    )


def _verification(user: User) -> dict[str, Any]:
    return {"verification": messenger.reconciliation_state(at=now()) if user.is_supervisor else None}


def _queues(user: User) -> dict[str, list[str]]:
    """Who waits, and whom `user` answers."""
    conversations: Conversations = user.reachable_conversations()
    return {
        "waiting": _first(conversations.waiting(), list_filters.BY_WAIT),
        "mine": _first(conversations.held_by(user), list_filters.BY_ACTIVITY),
    }


def _first(conversations: Conversations, order: Order) -> list[str]:
    return [
        fragments.row(found)
        for found in page_of(list_rows.with_row_data(conversations), order, size=ASIDE).rows
    ]


def _page(request: AgentRequest, conversations: Conversations, order: Order) -> dict[str, Any]:
    page: Page = page_of(
        list_rows.with_row_data(conversations),
        order,
        size=ROWS,
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
    )
    return {
        "rows": [fragments.row(conversation) for conversation in page.rows],
        "previous": _address(request, before=page.previous),
        "next": _address(request, after=page.next),
    }


def _address(request: AgentRequest, **cursor: str) -> str:
    """This page's address with another cursor; empty when there is no such page."""
    if not any(cursor.values()):
        return ""
    query = request.GET.copy()
    for name in ("after", "before"):
        query.pop(name, None)
    query.update(cursor)
    return f"{request.path}?{query.urlencode()}"


def _before(request: AgentRequest) -> int | None:
    asked = request.GET.get("before", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else None
