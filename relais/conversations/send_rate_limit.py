"""The send rate limit of one of our numbers: a token bucket, and a sliding window of one second.

Pure arithmetic without clock or database. `outbox.py` stores the state (`SenderRateLimit`, table `sender_paces`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BURST_SECONDS = 0.15
"""How many seconds of tokens the bucket holds: what may be sent at once after a pause, or after a delay of ours."""
MIN_BURST = 2.0
"""A bucket that holds a single token loses what is refilled while a poll is late."""
WINDOW_SECONDS = 1.0
MAX_EXCESS = 0.05
"""As a fraction of the rate: how much more may be sent in one second, to make up for a second with less."""
MAX_CLOCK_LAG_SECONDS = 1.0
"""A state further in the future was written before the clock was set back."""


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
    """What one number may send at the moment `at`. All moments are Unix times in seconds."""

    limit: RateLimit
    at: float
    tokens: float
    recent: list[tuple[float, int]]
    """What was claimed within the last second: when, and how many; the oldest first."""

    @classmethod
    def refilled(
        cls,
        limit: RateLimit,
        *,
        at: float,
        tokens: float,
        counted_at: float,
        recent: Iterable[Sequence[float]],
    ) -> SendBudget:
        """The stored state, refilled since it was last counted. A state too far in the future is ignored."""
        is_from_the_future = counted_at > at + MAX_CLOCK_LAG_SECONDS
        refilled_tokens = tokens + limit.rate * max(0.0, at - counted_at)
        return cls(
            limit,
            at,
            limit.burst if is_from_the_future else min(limit.burst, refilled_tokens),
            sorted(
                (moment, int(number))
                for moment, number in recent
                if at - WINDOW_SECONDS < moment <= at + MAX_CLOCK_LAG_SECONDS
            ),
        )

    @property
    def available(self) -> int:
        """Whole messages that may be sent now."""
        in_window = self.limit.max_per_window - sum(number for _moment, number in self.recent)
        return max(0, min(int(self.tokens + 1e-6), in_window))

    def spend(self, number: int) -> None:
        self.tokens -= number
        self.recent.append((self.at, number))

    def seconds_until(self, number: int) -> float:
        """When so many may be sent, or as many as may ever be sent at once."""
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
