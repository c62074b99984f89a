"""What is counted of the sockets: how many are open, what they are told, how late, and why they are closed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from relais.live.endpoint import Live

SOCKETS = Gauge("relais_sockets", "Open sockets.", ["kind"])
FRAMES = Counter("relais_frames", "Frames that left by sockets.", ["kind"])
CLOSED = Counter("relais_sockets_closed", "Sockets we closed, by code.", ["code"])
LISTENING = Gauge("relais_live_listening", "1 while the database is heard; else we only look round.")
LAG = Histogram(
    "relais_live_lag_seconds",
    "From hearing that a conversation changed to having its frames in the queues of those who look at it.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)


def watch(live: Live) -> None:
    """Asked when somebody wants to know; nothing is counted up and down meanwhile."""
    LISTENING.set_function(lambda: float(live.hears))
    SOCKETS.labels("list").set_function(lambda: len(live.lists.lines))
    SOCKETS.labels("thread").set_function(lambda: len(live.doorkeeper.inside) - len(live.lists.lines))


@cache
def frames(kind: str) -> Counter:
    return FRAMES.labels(kind)


def closed(code: int) -> None:
    CLOSED.labels(str(code)).inc()
