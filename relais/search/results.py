"""A page of search results: clients, and messages with their excerpts, and the cursor of the next page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.clients.models import Client
from relais.conversations import timeline
from relais.conversations.event_types import MESSAGE_EVENT_TYPES
from relais.conversations.models import Conversation, ConversationEvent
from relais.conversations.querysets import ConversationQuerySet
from relais.search.client_search import FoundClient, search_clients
from relais.search.excerpts import client_excerpt, excerpts
from relais.search.filters import BEST_FIRST, SearchFilters
from relais.search.message_search import (
    BEST_CANDIDATES,
    CHOICE_EVENT_TYPES,
    CONTINUED_TIME_LIMIT_MS,
    TIME_LIMIT_MS,
    FoundEvents,
    date_of,
    newest_id,
    search_events,
)
from relais.search.query import Term, parse_query
from relais.search.tsquery import CompiledQuery, compile_query

PAGE_SIZE = 30
CLIENTS_BESIDE_MESSAGES = 5
CLIENTS_ALONE = 50
LINES_AFTER_HIT = 20
"""A link to an old message opens the page of the conversation that ends so many events after it."""
_CURSOR = re.compile(
    r"(?P<id>\d{1,18})(?P<continued>c?)|(?P<top>\d{1,18})-(?P<rank>\d{1,18})-(?P<last>\d{1,18})"
)
RANK_PRECISION = 1_000_000


@dataclass(frozen=True)
class Hit:
    kind: str
    """`message` or `client`."""
    conversation: Conversation | None
    event: int | None
    client: Client
    at: datetime | None
    excerpt: SafeString
    url: str
    author: str = ""
    author_kind: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "conversation": self.conversation.pk if self.conversation else None,
            "event": self.event,
            "client": self.client.pk,
            "at": self.at.isoformat() if self.at else None,
            "excerpt": self.excerpt,
            "client_name": self.client.name or None,
            "author": self.author or None,
            "url": self.url,
        }


@dataclass
class ResultPage:
    clients: list[Hit] = field(default_factory=list)
    messages: list[Hit] = field(default_factory=list)
    next: str = ""
    """The cursor of the next page; empty on the last one."""
    searched_back_to: datetime | None = None
    """Set when the time limit ended the search; `next` continues it."""
    clients_timed_out: bool = False
    has_words: bool = True
    """False when the text has no word to search."""

    @property
    def hits(self) -> list[Hit]:
        return [*self.clients, *self.messages]

    @property
    def groups(self) -> list[tuple[Conversation, list[Hit]]]:
        """The messages by conversation, in the order of their first hit."""
        grouped: dict[int, tuple[Conversation, list[Hit]]] = {}
        for hit in self.messages:
            assert hit.conversation is not None
            grouped.setdefault(hit.conversation.pk, (hit.conversation, []))[1].append(hit)
        return list(grouped.values())


@dataclass(frozen=True)
class _Cursor:
    before: int | None = None
    """Only events with a lower id; None on the first page."""
    is_continued: bool = False
    """The reader asked to search further back: it may take longer."""
    last: tuple[int, int] | None = None
    """Best first: rank and id of the last hit of the page before."""


def search(filters: SearchFilters, user: User) -> ResultPage:
    """What `user` can reach and nothing else: his reach is a part of every query."""
    terms = parse_query(filters.text)
    query = compile_query(terms)
    page = ResultPage(has_words=query is not None)
    if query is None:
        return page
    conversations = filters.apply(user.reachable_conversations())
    cursor = _parse_cursor(filters.after, filters.order)
    if filters.kind in ("", "client") and cursor.before is None and not filters.limits_dates:
        _add_clients(page, terms, query, user, conversations, filters)
    if filters.kind != "client":
        _add_messages(page, query, conversations, filters, cursor)
    return page


# -- clients ----------------------------------------------------------------------------------------------


def _add_clients(
    page: ResultPage,
    terms: list[Term],
    query: CompiledQuery,
    user: User,
    conversations: ConversationQuerySet,
    filters: SearchFilters,
) -> None:
    limit = CLIENTS_ALONE if filters.kind == "client" else CLIENTS_BESIDE_MESSAGES
    found = search_clients(
        terms, query, user, conversations, limit=limit, is_filtered=filters.limits_conversations
    )
    page.clients_timed_out = found is None
    last_ids = [each.conversation_id for each in found or () if each.conversation_id]
    last_conversations = Conversation.objects.select_related("client", "agent").in_bulk(last_ids)
    texts = [term.text for term in terms if not term.is_excluded]
    page.clients = [
        _client_hit(each, last_conversations.get(each.conversation_id or 0), texts) for each in found or ()
    ]


def _client_hit(found: FoundClient, conversation: Conversation | None, texts: Sequence[str]) -> Hit:
    client = found.client
    numbers = [address.formatted for address in client.addresses.all()]
    names = dict.fromkeys((client.client_full_name, client.whatsapp_profile_name))
    shown = [*names, *numbers, client.email, client.vin, client.carte_vip]
    return Hit(
        kind="client",
        conversation=conversation,
        event=None,
        client=client,
        at=conversation.last_activity_at if conversation else None,
        excerpt=client_excerpt(shown, texts),
        url=reverse("client", args=[client.pk]),
    )


# -- messages ---------------------------------------------------------------------------------------------


def _add_messages(
    page: ResultPage,
    query: CompiledQuery,
    conversations: ConversationQuerySet,
    filters: SearchFilters,
    cursor: _Cursor,
) -> None:
    top = newest_id() + 1
    if cursor.before is not None:
        top = min(top, cursor.before)
    is_best = filters.order == BEST_FIRST
    found = search_events(
        query,
        conversations,
        filters.event_filters(),
        before=top,
        limit=BEST_CANDIDATES if is_best else PAGE_SIZE + 1,
        with_ranks=is_best,
        time_limit_ms=CONTINUED_TIME_LIMIT_MS if cursor.is_continued else TIME_LIMIT_MS,
    )
    if is_best:
        ids, page.next = _best_page(found, top, cursor)
    else:
        ids, page.next = _newest_page(found)
    if found.searched_back_to and (is_best or page.next.endswith("c")):
        page.searched_back_to = date_of(found.searched_back_to)
    page.messages = _message_hits(ids, query)


def _newest_page(found: FoundEvents) -> tuple[list[int], str]:
    ids = found.ids[:PAGE_SIZE]
    if len(found.ids) > PAGE_SIZE:
        return ids, str(ids[-1])
    return ids, f"{found.searched_back_to}c" if found.searched_back_to else ""


def _best_page(found: FoundEvents, top: int, cursor: _Cursor) -> tuple[list[int], str]:
    ordered = sorted(((int(found.ranks[id] * RANK_PRECISION), id) for id in found.ids), reverse=True)
    rest = [each for each in ordered if cursor.last is None or each < cursor.last]
    page = rest[:PAGE_SIZE]
    following = f"{top}-{page[-1][0]}-{page[-1][1]}" if len(rest) > PAGE_SIZE else ""
    return [id for _, id in page], following


def _message_hits(ids: Sequence[int], query: CompiledQuery) -> list[Hit]:
    related = ("conversation__client", "conversation__address", "conversation__agent")
    events = ConversationEvent.objects.select_related(*related).prefetch_related("media").in_bulk(ids)
    shown = _without_repeated_answers([events[id] for id in ids])
    marked = excerpts([_text_of(event) for event in shown], query)
    return [_message_hit(event, excerpt) for event, excerpt in zip(shown, marked, strict=True)]


def _without_repeated_answers(events: Sequence[ConversationEvent]) -> list[ConversationEvent]:
    """A client's answer to the bot is stored as his message and as the bot's input: show the message."""
    messages = {(e.conversation_id, e.body) for e in events if e.event_type == "message_received"}
    return [
        e
        for e in events
        if e.event_type not in CHOICE_EVENT_TYPES or (e.conversation_id, e.body) not in messages
    ]


def _text_of(event: ConversationEvent) -> str:
    files = [media.filename for media in event.media.all() if media.filename]
    return " · ".join(filter(None, [event.body, *files]))


def _message_hit(event: ConversationEvent, excerpt: SafeString) -> Hit:
    conversation = event.conversation
    return Hit(
        kind="message",
        conversation=conversation,
        event=event.pk,
        client=conversation.client,
        at=event.created_at,
        excerpt=excerpt,
        url=_url_of(event),
        author=_author_of(event),
        author_kind=event.author_kind,
    )


def _author_of(event: ConversationEvent) -> str:
    if event.author_kind == "client":
        return event.conversation.client_name
    return event.author_name or {"bot": _("Bot"), "api": _("Programme")}.get(event.author_kind, "Relais")


def _url_of(event: ConversationEvent) -> str:
    """The conversation's page that has the event, at the event."""
    path = reverse("chat", args=[event.conversation_id])
    element = "message" if event.event_type in MESSAGE_EVENT_TYPES else "event"
    is_old = event.conversation.seq - event.seq >= timeline.PAGE_SIZE - LINES_AFTER_HIT
    page = f"?before={event.seq + LINES_AFTER_HIT}" if is_old else ""
    return f"{path}{page}#{element}-{event.pk}"


# -- cursors ----------------------------------------------------------------------------------------------


def _parse_cursor(text: str, order: str) -> _Cursor:
    """An invalid cursor, or one of the other order, gives the first page."""
    match = _CURSOR.fullmatch(text) if text.isascii() else None
    if match is None or (match["id"] is None) != (order == BEST_FIRST):
        return _Cursor()
    if match["id"] is not None:
        return _Cursor(before=int(match["id"]), is_continued=bool(match["continued"]))
    return _Cursor(before=int(match["top"]), last=(int(match["rank"]), int(match["last"])))
