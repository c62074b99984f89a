"""Who plays in the tests, and how a test reads what happened."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

OUR_NUMBER = "whatsapp:+14155238886"
FATOU = "whatsapp:+212600000001"
IBRAHIM = "whatsapp:+2250700000002"
_sids = itertools.count(1)


class Clock:
    """A clock that tests set forward; never the machine's."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def passes(self, **how_long: float) -> datetime:
        self.now += timedelta(**how_long)
        return self.now


class MachineClock:
    """For stories that meet the time of the machine and of the database: it passes by itself."""

    @property
    def now(self) -> datetime:
        return timezone.now()

    def passes(self, **how_long: float) -> datetime:
        return self.now


def new_sid() -> str:
    return f"SM{next(_sids):032x}"


def event_types_of(conversation: Any) -> list[str]:
    """What happened, in order, one word each."""
    return list(conversation.events.order_by("seq").values_list("event_type", flat=True))


def messages_to_client(conversation: Any) -> list[str]:
    return [d.event.body for d in conversation.deliveries.select_related("event").order_by("id")]
