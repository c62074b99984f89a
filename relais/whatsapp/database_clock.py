"""The database's clock, shared by all processes that use it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.utils import timezone


class SharedClock:
    """The database's time, extrapolated by the monotonic clock between two readings.

    Leases and pauses are written by one process and checked by another. So neither a clock step of one machine nor
    clock skew between two machines changes them.
    """

    def __init__(self) -> None:
        self._reading: tuple[datetime, float] | None = None

    def set(self, at: datetime) -> None:
        self._reading = at, time.monotonic()

    def now(self) -> datetime:
        """This machine's own time until the first reading."""
        if self._reading is None:
            return timezone.now()
        at, read_at = self._reading
        return at + timedelta(seconds=time.monotonic() - read_at)
