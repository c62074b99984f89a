"""How many messages one of our numbers may send now: a token bucket, and a bound on any one second.

Pure arithmetic: it knows no clock and no database. `outbox.py` keeps the state in the row of the number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BURST_SECONDS = 0.15
"""Seconds' worth of tokens that a bucket holds: what may leave at once after a rest, or after a busy moment of ours."""
MIN_BURST = 2.0
"""A bucket that holds a single token loses what comes in while it is looked at too late."""
WINDOW_SECONDS = 1.0
MAX_EXCESS = 0.05
"""Of the rate: how much more may leave in one second, to make up for one in which less did."""
MAX_CLOCK_LAG_SECONDS = 1.0
"""A state that lies further in the future was written before the clock was set back."""


@dataclass(frozen=True)
class RateLimit:
    """Messages a second."""

    rate: float

    @property
    def burst(self) -> float:
        return max(MIN_BURST, self.rate * BURST_SECONDS)

    @property
    def max_per_window(self) -> int:
        return max(1, int(self.rate * WINDOW_SECONDS * (1 + MAX_EXCESS) + 1e-9))


@dataclass
class SendBudget:
    """What one number may send at the moment `at`. All moments are seconds since the epoch."""

    limit: RateLimit
    at: float
    tokens: float
    recent: list[tuple[float, int]]
    """What left within the last second: when, and how many; the oldest first."""

    @classmethod
    def opened(
        cls,
        limit: RateLimit,
        *,
        at: float,
        tokens: float,
        counted_at: float,
        recent: Iterable[Sequence[float]],
    ) -> SendBudget:
        """Refilled since it was last counted. A state from a future too far away counts for nothing."""
        is_from_the_future = counted_at > at + MAX_CLOCK_LAG_SECONDS
        refilled = tokens + limit.rate * max(0.0, at - counted_at)
        return cls(
            limit,
            at,
            limit.burst if is_from_the_future else min(limit.burst, refilled),
            sorted(
                (moment, int(number))
                for moment, number in recent
                if at - WINDOW_SECONDS < moment <= at + MAX_CLOCK_LAG_SECONDS
            ),
        )

    @property
    def available(self) -> int:
        """Whole messages that may leave now."""
        in_window = self.limit.max_per_window - sum(number for _moment, number in self.recent)
        return max(0, min(int(self.tokens + 1e-6), in_window))

    def take(self, number: int) -> None:
        self.tokens -= number
        self.recent.append((self.at, number))

    def seconds_until(self, number: int) -> float:
        """After which so many may leave, or as many as ever may at once."""
        wanted = min(number, int(self.limit.burst), self.limit.max_per_window)
        by_tokens = (wanted - self.tokens) / self.limit.rate
        return max(0.0, by_tokens, self._seconds_until_window_has_room(wanted))

    def _seconds_until_window_has_room(self, wanted: int) -> float:
        excess = sum(number for _moment, number in self.recent) + wanted - self.limit.max_per_window
        wait = 0.0
        for moment, number in self.recent:
            if excess <= 0:
                break
            excess -= number
            wait = moment + WINDOW_SECONDS - self.at
        return wait
