"""Prometheus metrics of the bot: steps, their duration, failures, and warnings of flows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Histogram

STEPS = Counter("relais_flow_steps", "Steps of the bot: done, or failed and rolled back.", ["outcome"])
DONE, FAILED = STEPS.labels("done"), STEPS.labels("failed")
SECONDS = Histogram(
    "relais_flow_step_seconds",
    "The duration of a step, with its effects.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
ERRORS = Counter(
    "relais_flow_errors", "Warnings of flows about themselves; the conversation's history has the details."
)


@contextmanager
def observe_step() -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    except Exception:
        FAILED.inc()
        raise
    DONE.inc()
    SECONDS.observe(time.perf_counter() - started)
