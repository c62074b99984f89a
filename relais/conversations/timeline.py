"""The history as a page shows it: the newest stretch first, earlier ones as the reader scrolls up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.timezone import localdate

from relais.conversations import fragments
from relais.conversations.models import Conversation, ConversationEvent

STRETCH = 60
"""Events shown at once: more than two screens, and rendered in a few milliseconds."""
TOGETHER = timedelta(minutes=2)


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
    """As `thread.js` arranges what comes later: days apart, and together what one author says within two minutes."""
    items: list[Item] = []
    days = [localdate(event.created_at) for event in events]
    goes_on = [
        n > 0 and days[n] == days[n - 1] and _together(*events[n - 1 : n + 1]) for n in range(len(events))
    ]
    for n, event in enumerate(events):
        is_new_day = n == 0 or days[n] != days[n - 1]
        group = " is-continued" * goes_on[n] + " is-followed" * any(goes_on[n + 1 : n + 2])
        items.append(Item(fragments.event(event, group), event.created_at if is_new_day else None))
    return items


def _together(before: ConversationEvent, event: ConversationEvent) -> bool:
    return (
        before.is_spoken
        and event.is_spoken
        and (before.author_kind, before.author_id) == (event.author_kind, event.author_id)
        and event.created_at - before.created_at < TOGETHER
    )
