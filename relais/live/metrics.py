"""Prometheus metrics of live sockets: how many are open, frames sent, lag, and why the server closed them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from prometheus_client import Counter, Gauge, Histogram

SOCKETS = Gauge("relais_sockets", "Open sockets.", ["kind"])
FRAMES_SENT = Counter("relais_ws_frames_sent", "Frames sent by WebSocket.", ["kind"])
FRAMES = Counter("relais_frames", "Old name of relais_ws_frames_sent, kept for one release.", ["kind"])
CLOSED = Counter("relais_sockets_closed", "Sockets closed by the server, by code.", ["code"])
LISTENING = Gauge("relais_live_listening", "1 while LISTEN works; else changes are only found by polling.")
LAG = Histogram(
    "relais_live_lag_seconds",
    "From the notification of a change to its frames being in the queues of all sockets.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)


def observe_sockets(
    *, is_listening: Callable[[], bool], lists: Callable[[], int], conversations: Callable[[], int]
) -> None:
    """The gauges call these whenever metrics are collected."""
    LISTENING.set_function(lambda: float(is_listening()))
    SOCKETS.labels("list").set_function(lists)
    SOCKETS.labels("thread").set_function(conversations)


@cache
def _frame_counters(kind: str) -> tuple[Counter, Counter]:
    return FRAMES_SENT.labels(kind), FRAMES.labels(kind)


def count_frame_sent(kind: str) -> None:
    for counter in _frame_counters(kind):
        counter.inc()


def count_closed(code: int) -> None:
    CLOSED.labels(str(int(code))).inc()
