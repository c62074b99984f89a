"""The timeline of a conversation, paginated: the newest events and notes first, earlier ones as the reader scrolls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.timezone import localdate

from relais.conversations import fragments
from relais.conversations.models import Conversation, ConversationEvent
from relais.notes import fragments as note_fragments
from relais.notes.models import Note

PAGE_SIZE = 60
"""Events on a page: more than two screens, and rendered in a few milliseconds."""
MAX_GROUP_GAP = timedelta(minutes=2)
"""Consecutive messages of one author are displayed as a group if they are closer together than this."""


@dataclass(frozen=True)
class TimelineItem:
    html: str
    new_day: datetime | None
    """When the event happened or the note was written, if it is the first entry of its day."""


@dataclass(frozen=True)
class TimelinePage:
    items: list[TimelineItem]
    earlier_before: int | None
    """The cursor of the page before this one, a seq; None on the first page."""
    later_after: int | None
    """The cursor of the page after this one, a seq; None on the last page."""


@dataclass(frozen=True)
class TimelineCursor:
    """Which events a page shows, by their seq: at most one of these is given, else the last ones."""

    before: int | None = None
    after: int | None = None
    around: int | None = None

    @property
    def first_seq(self) -> int | None:
        if self.after is not None:
            return self.after + 1
        return max(1, self.around - PAGE_SIZE // 2) if self.around is not None else None


LAST_PAGE = TimelineCursor()


def timeline_page(conversation: Conversation, cursor: TimelineCursor = LAST_PAGE) -> TimelinePage:
    """A page of the timeline, with the notes written between its events. The seqs of a conversation have no gap."""
    events = conversation.history().prefetch_related("resends")
    if (first := cursor.first_seq) is not None:
        page = list(events.filter(seq__gte=first, seq__lt=first + PAGE_SIZE).order_by("seq"))
    else:
        if cursor.before is not None:
            events = events.filter(seq__lt=cursor.before)
        page = list(events.order_by("-seq")[:PAGE_SIZE])[::-1]
    if not page:
        return TimelinePage([], earlier_before=None, later_after=None)
    first_seq, last_seq = page[0].seq, page[-1].seq
    earlier_before = first_seq if first_seq > 1 else None
    later_after = last_seq if last_seq < conversation.seq else None
    notes = Note.objects.filter(conversation=conversation).after_events(
        first_seq if earlier_before else 0, before_seq=last_seq + 1 if later_after else None
    )
    entries = _in_order(page, notes.prefetch_related("mentions").order_by("after_seq", "id"))
    return TimelinePage(_items(entries), earlier_before, later_after)


def _in_order(events: Iterable[ConversationEvent], notes: Iterable[Note]) -> list[ConversationEvent | Note]:
    """Each note after the event that it was written after."""
    entries: list[ConversationEvent | Note] = [*events, *notes]
    return sorted(entries, key=_seq)  # Stable: events come before notes with their seq.


def _seq(entry: ConversationEvent | Note) -> int:
    return entry.after_seq if isinstance(entry, Note) else entry.seq


def _items(entries: list[ConversationEvent | Note]) -> list[TimelineItem]:
    """Mark the first entry of each day and group messages of one author. `thread.js` does the same for live ones."""
    items: list[TimelineItem] = []
    days = [localdate(entry.created_at) for entry in entries]
    continues = [
        n > 0 and days[n] == days[n - 1] and _is_same_group(*entries[n - 1 : n + 1])
        for n in range(len(entries))
    ]
    for n, entry in enumerate(entries):
        is_new_day = n == 0 or days[n] != days[n - 1]
        group_classes = " is-continued" * continues[n] + " is-followed" * any(continues[n + 1 : n + 2])
        html = _html(entry, group_classes)
        items.append(TimelineItem(html, entry.created_at if is_new_day else None))
    return items


def _html(entry: ConversationEvent | Note, group_classes: str) -> str:
    return note_fragments.note(entry) if isinstance(entry, Note) else fragments.event(entry, group_classes)


def _is_same_group(before: ConversationEvent | Note, entry: ConversationEvent | Note) -> bool:
    return (
        isinstance(before, ConversationEvent)
        and isinstance(entry, ConversationEvent)
        and before.is_message
        and entry.is_message
        and (before.author_kind, before.author_id) == (entry.author_kind, entry.author_id)
        and entry.created_at - before.created_at < MAX_GROUP_GAP
    )
