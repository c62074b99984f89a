"""The double's clock: the machine's time plus an adjustable offset, so that 24 hours can pass in a test."""

from datetime import UTC, datetime, timedelta


class AdjustableClock:
    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> datetime:
        self._offset += timedelta(seconds=seconds)
        return self.now()
