"""The timeline of a conversation, paginated: the newest events first, earlier pages as the reader scrolls up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.timezone import localdate

from relais.conversations import fragments
from relais.conversations.models import Conversation, ConversationEvent

PAGE_SIZE = 60
"""Events on a page: more than two screens, and rendered in a few milliseconds."""
MAX_GROUP_GAP = timedelta(minutes=2)
"""Consecutive messages of one author are displayed as a group if they are closer together than this."""


@dataclass(frozen=True)
class TimelineItem:
    html: str
    new_day: datetime | None
    """When the event happened, if it is the first one of its day."""


@dataclass(frozen=True)
class TimelinePage:
    items: list[TimelineItem]
    earlier_before: int | None
    """The cursor of the page before this one, a seq; None on the first page."""


def timeline_page(conversation: Conversation, *, before: int | None = None) -> TimelinePage:
    """The last events, or the last ones whose seq is below `before`."""
    events = conversation.history().prefetch_related("resends")
    if before is not None:
        events = events.filter(seq__lt=before)
    newest_first = list(events.order_by("-seq")[: PAGE_SIZE + 1])
    page = newest_first[:PAGE_SIZE][::-1]
    has_earlier = len(newest_first) > PAGE_SIZE
    return TimelinePage(_items(page), earlier_before=page[0].seq if has_earlier else None)


def _items(events: list[ConversationEvent]) -> list[TimelineItem]:
    """Mark the first event of each day and group messages of one author. `thread.js` does the same for live events."""
    items: list[TimelineItem] = []
    days = [localdate(event.created_at) for event in events]
    continues = [
        n > 0 and days[n] == days[n - 1] and _is_same_group(*events[n - 1 : n + 1])
        for n in range(len(events))
    ]
    for n, event in enumerate(events):
        is_new_day = n == 0 or days[n] != days[n - 1]
        group_classes = " is-continued" * continues[n] + " is-followed" * any(continues[n + 1 : n + 2])
        html = fragments.event(event, group_classes)
        items.append(TimelineItem(html, event.created_at if is_new_day else None))
    return items


def _is_same_group(before: ConversationEvent, event: ConversationEvent) -> bool:
    return (
        before.is_message
        and event.is_message
        and (before.author_kind, before.author_id) == (event.author_kind, event.author_id)
        and event.created_at - before.created_at < MAX_GROUP_GAP
    )
