"""Prometheus metrics of files: virus scans."""

from __future__ import annotations

from prometheus_client import Counter

SCANS = Counter("relais_virus_scans", "Scans of received files, by outcome.", ["outcome"])


def count_scan(outcome: str) -> None:
    """`outcome`: clean, infected or unavailable (the scanner did not answer, or could not scan the file)."""
    SCANS.labels(outcome).inc()
