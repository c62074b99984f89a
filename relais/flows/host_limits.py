"""How many requests to one host are under way at once, in this process: a slow host must not take every slot."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

MAX_REQUESTS_PER_HOST = 4


class HostBusy(Exception):
    """As many requests to the host as may be are under way."""


class HostLimiter:
    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def request_to(self, url: str) -> Iterator[None]:
        """Raises HostBusy at once instead of waiting: whoever waits would hold a slot."""
        host = _host(url)
        with self._lock:
            if self._under_way[host] >= self._max_requests:
                raise HostBusy(host)
            self._under_way[host] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[host] -= 1
                if not self._under_way[host]:
                    del self._under_way[host]


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


host_limiter = HostLimiter(MAX_REQUESTS_PER_HOST)
