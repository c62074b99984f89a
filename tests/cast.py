"""Addresses and clocks for all tests, and readers of a conversation's events and messages."""

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
    """A clock that only the test moves forward."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def passes(self, **duration: float) -> datetime:
        self.now += timedelta(**duration)
        return self.now


class MachineClock:
    """The machine's clock, for tests of code that reads the time of the machine or the database."""

    @property
    def now(self) -> datetime:
        return timezone.now()

    def passes(self, **duration: float) -> datetime:
        return self.now


def new_sid() -> str:
    return f"SM{next(_sids):032x}"


def event_types_of(conversation: Any) -> list[str]:
    """The types of its events, in order."""
    return list(conversation.events.order_by("seq").values_list("event_type", flat=True))


def messages_to_client(conversation: Any) -> list[str]:
    return [
        delivery.event.body for delivery in conversation.deliveries.select_related("event").order_by("id")
    ]
