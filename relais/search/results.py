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
from relais.notes.models import Note
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
from relais.search.note_search import FoundNote, search_notes
from relais.search.query import Term, parse_query
from relais.search.tsquery import CompiledQuery, compile_query

PAGE_SIZE = 30
CLIENTS_BESIDE_MESSAGES = 5
CLIENTS_ALONE = 50
LINES_AROUND_HIT = 20
"""With fewer events before it on the last page of the conversation, a hit opens on a page around it."""
_CURSOR = re.compile(
    r"(?P<id>\d{1,18})(?:n(?P<note>\d{1,18}))?(?P<continued>c?)"
    r"|(?P<top>\d{1,18})-(?P<rank>\d{1,18})-(?P<last>\d{1,18})"
)
RANK_PRECISION = 1_000_000


@dataclass(frozen=True)
class Hit:
    kind: str
    """`message`, `note` or `client`."""
    conversation: Conversation | None
    event: int | None
    """Its id; None for notes and clients."""
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
    is_incomplete: bool = False
    """Searching the clients or the notes exceeded its time limit."""
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
    before_note: int | None = None
    is_continued: bool = False
    """The reader asked to search further back: it may take longer."""
    last: tuple[int, int] | None = None
    """Best first: rank and id of the last hit of the page before."""


def search(filters: SearchFilters, user: User) -> ResultPage:
    """What `user` can reach and nothing else: his reach is a part of every query."""
    terms = parse_query(filters.text)
    query = compile_query(terms)
    page = ResultPage(has_words=query is not None)
    if query is None or filters.is_unknown_tag:
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
        terms,
        query,
        user,
        conversations,
        limit=limit,
        is_filtered=filters.limits_conversations,
        tag=filters.tag_alone,
    )
    page.is_incomplete |= found is None
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


# -- messages and notes ------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class _Entry:
    """An event or note in the order of the page, the first one being the greatest."""

    sort_value: float
    """Newest first: Unix time. Best first: rank."""
    number: int
    """Unique: twice the id, and one more for a note."""

    @property
    def id(self) -> int:
        return self.number // 2

    @property
    def is_note(self) -> bool:
        return bool(self.number % 2)


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
    limit = BEST_CANDIDATES if is_best else PAGE_SIZE + 1
    found = FoundEvents()
    notes: list[FoundNote] = []
    if filters.kind != "note":
        found = search_events(
            query,
            conversations,
            filters.event_filters(),
            before=top,
            limit=limit,
            with_ranks=is_best,
            time_limit_ms=CONTINUED_TIME_LIMIT_MS if cursor.is_continued else TIME_LIMIT_MS,
        )
    if filters.kind in ("", "note"):
        found_notes = search_notes(
            query, conversations, filters.event_filters(), before=cursor.before_note, limit=limit
        )
        page.is_incomplete |= found_notes is None
        notes = found_notes or []
    searched_back_to = date_of(found.searched_back_to) if found.searched_back_to else None
    if is_best:
        entries, page.next = _best_page(found, notes, top, cursor)
        page.searched_back_to = searched_back_to
    else:
        if searched_back_to:  # Older notes come after the events that are not found yet.
            notes = [note for note in notes if note.created_at >= searched_back_to]
        entries, page.next = _newest_page(found, notes, top, cursor)
        page.searched_back_to = searched_back_to if page.next.endswith("c") else None
    page.messages = _message_hits(entries, query)


def _newest_page(
    found: FoundEvents, notes: Sequence[FoundNote], top: int, cursor: _Cursor
) -> tuple[list[_Entry], str]:
    times = dict(ConversationEvent.objects.filter(pk__in=found.ids).values_list("pk", "created_at"))
    entries = _merge(
        [_Entry(times[id].timestamp(), 2 * id) for id in found.ids],
        [_Entry(note.created_at.timestamp(), 2 * note.id + 1) for note in notes],
    )
    shown = entries[:PAGE_SIZE]
    event_ids = [entry.id for entry in shown if not entry.is_note]
    note_ids = [entry.id for entry in shown if entry.is_note]
    last_note = note_ids[-1] if note_ids else cursor.before_note
    suffix = "" if last_note is None else f"n{last_note}"
    if len(entries) > PAGE_SIZE:
        return shown, f"{event_ids[-1] if event_ids else top}{suffix}"
    return shown, f"{found.searched_back_to}{suffix}c" if found.searched_back_to else ""


def _merge(events: list[_Entry], notes: list[_Entry]) -> list[_Entry]:
    """By time, but events and notes each by id: the cursor is a pair of ids, and clocks are set back."""
    merged: list[_Entry] = []
    while events and notes:
        merged.append(events.pop(0) if events[0] > notes[0] else notes.pop(0))
    return [*merged, *events, *notes]


def _best_page(
    found: FoundEvents, notes: Sequence[FoundNote], top: int, cursor: _Cursor
) -> tuple[list[_Entry], str]:
    entries = [_Entry(int(found.ranks[id] * RANK_PRECISION), 2 * id) for id in found.ids]
    entries += [_Entry(int(note.rank * RANK_PRECISION), 2 * note.id + 1) for note in notes]
    ordered = sorted(entries, reverse=True)
    rest = [each for each in ordered if cursor.last is None or each < _Entry(*cursor.last)]
    shown = rest[:PAGE_SIZE]
    if len(rest) <= PAGE_SIZE:
        return shown, ""
    return shown, f"{top}-{shown[-1].sort_value}-{shown[-1].number}"


def _message_hits(entries: Sequence[_Entry], query: CompiledQuery) -> list[Hit]:
    related = ("conversation__client", "conversation__address", "conversation__agent")
    event_ids = [entry.id for entry in entries if not entry.is_note]
    note_ids = [entry.id for entry in entries if entry.is_note]
    events = ConversationEvent.objects.select_related(*related).prefetch_related("media").in_bulk(event_ids)
    notes = Note.objects.select_related(*related).in_bulk(note_ids) if note_ids else {}
    shown_events = _without_repeated_answers([events[id] for id in event_ids])
    rows: list[ConversationEvent | Note] = [
        notes[entry.id] if entry.is_note else shown_events[entry.id]
        for entry in entries
        if (entry.id in notes if entry.is_note else entry.id in shown_events)
    ]
    marked = excerpts([row.body if isinstance(row, Note) else _text_of(row) for row in rows], query)
    return [
        _note_hit(row, excerpt) if isinstance(row, Note) else _message_hit(row, excerpt)
        for row, excerpt in zip(rows, marked, strict=True)
    ]


def _without_repeated_answers(events: Sequence[ConversationEvent]) -> dict[int, ConversationEvent]:
    """A client's answer to the bot is stored as his message and as the bot's input: show the message."""
    messages = {(e.conversation_id, e.body) for e in events if e.event_type == "message_received"}
    return {
        e.pk: e
        for e in events
        if e.event_type not in CHOICE_EVENT_TYPES or (e.conversation_id, e.body) not in messages
    }


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


def _note_hit(note: Note, excerpt: SafeString) -> Hit:
    conversation = note.conversation
    return Hit(
        kind="note",
        conversation=conversation,
        event=None,
        client=conversation.client,
        at=note.created_at,
        excerpt=excerpt,
        url=_url_at(conversation, note.after_seq, f"note-{note.pk}"),
        author=note.author_name,
        author_kind="note",
    )


def _author_of(event: ConversationEvent) -> str:
    if event.author_kind == "client":
        return event.conversation.client_name
    return event.author_name or {"bot": _("Bot"), "api": _("Programme")}.get(event.author_kind, "Relais")


def _url_of(event: ConversationEvent) -> str:
    element = "message" if event.event_type in MESSAGE_EVENT_TYPES else "event"
    return _url_at(event.conversation, event.seq, f"{element}-{event.pk}")


def _url_at(conversation: Conversation, seq: int, element: str) -> str:
    """The page of the conversation that has this place of its history, at the element."""
    path = reverse("chat", args=[conversation.pk])
    is_old = conversation.seq - seq >= timeline.PAGE_SIZE - LINES_AROUND_HIT
    page = f"?around={element}" if is_old else ""
    return f"{path}{page}#{element}"


# -- cursors ----------------------------------------------------------------------------------------------


def _parse_cursor(text: str, order: str) -> _Cursor:
    """An invalid cursor, or one of the other order, gives the first page."""
    match = _CURSOR.fullmatch(text) if text.isascii() else None
    if match is None or (match["id"] is None) != (order == BEST_FIRST):
        return _Cursor()
    if match["id"] is not None:
        return _Cursor(
            before=int(match["id"]),
            before_note=int(match["note"]) if match["note"] else None,
            is_continued=bool(match["continued"]),
        )
    return _Cursor(before=int(match["top"]), last=(int(match["rank"]), int(match["last"])))
