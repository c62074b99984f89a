"""The double's clock: the machine's time, moved forward on demand so that 24 hours can pass in a test."""

from datetime import UTC, datetime, timedelta


class Clock:
    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> datetime:
        self._ahead += timedelta(seconds=seconds)
        return self.now()
