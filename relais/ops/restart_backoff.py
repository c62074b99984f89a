"""When a crashed process is restarted, and when the supervisor gives up."""

from collections.abc import Iterable

MAX_RESTART_DELAY_SECONDS = 30
MAX_EXITS, EXIT_WINDOW_SECONDS = 5, 60
CRASH_LOOP_TEXT = "for the fifth time in a minute"
"""Crash loop: after so many exits within this window the supervisor stops everything, and says so in these words."""


def recent_exits(exits: Iterable[float], now: float) -> list[float]:
    return [at for at in exits if now - at < EXIT_WINDOW_SECONDS]


def restart_delay_seconds(exits: int) -> int:
    """Exponential in the number of recent exits: 1, 2, 4 … 30."""
    return min(1 << exits - 1, MAX_RESTART_DELAY_SECONDS)


def is_crash_loop(exits: int) -> bool:
    return exits >= MAX_EXITS
