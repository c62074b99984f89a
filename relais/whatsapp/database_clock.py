"""What time it is for all processes that share a database."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.utils import timezone


class SharedClock:
    """The database's time, carried on by the monotonic clock between two looks at it.

    Leases and pauses are written by one process and judged by another: so a step of a machine's own clock, or two
    machines that disagree, move none of them.
    """

    def __init__(self) -> None:
        self._set: tuple[datetime, float] | None = None

    def set(self, at: datetime) -> None:
        self._set = at, time.monotonic()

    def now(self) -> datetime:
        """This machine's own time until the database was asked for the first time."""
        if self._set is None:
            return timezone.now()
        at, then = self._set
        return at + timedelta(seconds=time.monotonic() - then)
