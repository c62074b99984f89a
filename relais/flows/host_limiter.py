"""Limits the concurrent requests to each host, per process: a slow host must not take every slot (bulkhead)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from relais.flows.http_limits import MAX_REQUESTS_PER_HOST


class HostBusy(Exception):
    """The host has MAX_REQUESTS_PER_HOST requests in progress."""


class HostLimiter:
    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._lock = threading.Lock()
        self._in_progress: Counter[str] = Counter()

    @contextmanager
    def request_to(self, url: str) -> Iterator[None]:
        """Raises HostBusy at once instead of waiting, since a waiting request would hold a slot."""
        host = _host(url)
        with self._lock:
            if self._in_progress[host] >= self._max_requests:
                raise HostBusy(host)
            self._in_progress[host] += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_progress[host] -= 1
                if not self._in_progress[host]:
                    del self._in_progress[host]


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


host_limiter = HostLimiter(MAX_REQUESTS_PER_HOST)
