"""Prometheus metrics of notifications."""

from __future__ import annotations

from prometheus_client import Counter

PUSHES = Counter("relais_pushes", "Messages handed to push services by outcome.", ["outcome"])
for _outcome in ("accepted", "gone", "refused", "unavailable"):
    PUSHES.labels(_outcome)


def count_push(outcome: str) -> None:
    PUSHES.labels(outcome).inc()
