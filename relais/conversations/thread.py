"""The history as a page shows it: the newest stretch first, earlier ones as the reader scrolls up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.utils.timezone import localdate

from relais.conversations import fragments
from relais.conversations.models import Conversation, ConversationEvent

STRETCH = 60
"""Events shown at once: more than two screens, and rendered in a few milliseconds."""


@dataclass(frozen=True)
class Item:
    html: str
    new_day: datetime | None
    """The moment it happened, when it is the first of its day."""


@dataclass(frozen=True)
class Stretch:
    items: list[Item]
    earlier: int | None
    """The seq before which there is more, or None."""


def stretch(conversation: Conversation, *, before: int | None = None) -> Stretch:
    """The last events, or the last ones before `before`."""
    events = conversation.history().prefetch_related("resends")
    if before is not None:
        events = events.filter(seq__lt=before)
    found = list(events.order_by("-seq")[: STRETCH + 1])
    shown = found[:STRETCH][::-1]
    return Stretch(_items(shown), earlier=shown[0].seq if len(found) > STRETCH else None)


def _items(events: list[ConversationEvent]) -> list[Item]:
    items: list[Item] = []
    day: date | None = None
    for event in events:
        is_new = localdate(event.created_at) != day
        day = localdate(event.created_at)
        items.append(Item(fragments.event(event), event.created_at if is_new else None))
    return items
