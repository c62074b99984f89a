"""Bulkheads: each class of page request has its own few threads and a bounded queue, shared fairly among addresses.

Load is shed early: a request that cannot be served soon is refused at once, so that accepted ones stay fast. A request
whose client disconnected while it waited is not served.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

from django.conf import settings
from starlette.requests import Request

from relais.http_server import metrics

PASSWORD_HASHING_THREADS = max(1, min(2, (os.cpu_count() or 1) // 2))
"""Hashing a password takes a whole processor: one has to stay for everything else."""
BULKHEADS = {
    "pages": {"threads": 5, "max_waiting": 200},
    "anonymous": {"threads": 2, "max_waiting": 64},
    "sign_in": {"threads": PASSWORD_HASHING_THREADS, "max_waiting": 40},
    "media": {"threads": 2, "max_waiting": 64},
}
"""More threads would not serve more pages, since only one computes at a time (GIL), and they would delay the event loop
and the hooks. All together are fewer than the connections to the database, so that hooks always find one; see
`settings.py`. About as many may wait as are served within ten seconds: a whole team that clicks at once is no flood."""
PASSWORD_HASHING_PATHS = ("/accounts/login/", "/accounts/password/")
MEDIA_PATH = "/dashboard/media/"
MAX_WAIT_SECONDS = 10.0


def bulkhead_for(request: Request) -> str:
    path = request.url.path
    if request.method == "POST" and path.startswith(PASSWORD_HASHING_PATHS):
        return "sign_in"
    if settings.SESSION_COOKIE_NAME not in request.cookies:
        return "anonymous"
    return "media" if path.startswith(MEDIA_PATH) else "pages"


class Overloaded(Exception):
    """There are more requests than can be served soon."""


class ClientDisconnected(Exception):
    """The client closed the connection while its request waited."""


class Bulkhead:
    """Counts the free threads of one class of requests. Needs no lock: only one event loop uses it."""

    def __init__(
        self, name: str, *, threads: int, max_waiting: int, max_wait_seconds: float = MAX_WAIT_SECONDS
    ) -> None:
        self.name = name
        self.threads = threads
        self.max_waiting = max_waiting
        self.max_wait_seconds = max_wait_seconds
        self.free = threads
        self.waiting = 0
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By client address; the address whose turn is next stands first."""
        metrics.PAGE_REQUESTS_WAITING.labels(name).set_function(lambda: self.waiting)
        metrics.PAGE_THREADS_BUSY.labels(name).set_function(lambda: self.threads - self.free)

    async def acquire(self, host: str, disconnected: Callable[[], Awaitable[object]]) -> None:
        """Take a thread, which `release` gives back. Raises Overloaded or ClientDisconnected.

        `disconnected` returns when the client has disconnected.
        """
        if self.free:
            self.free -= 1
            metrics.PAGE_WAIT_SECONDS.labels(self.name).observe(0)
            return
        if self.waiting >= self.max_waiting:
            self._make_room_for(host)
        await self._wait(host, disconnected)

    def release(self) -> None:
        """Pass the thread on: round robin among addresses, first in first out within one."""
        if not self._queues:
            self.free += 1
            return
        host, queue = next(iter(self._queues.items()))
        granted = queue.popleft()
        self._queues.move_to_end(host)
        self._remove_if_empty(host)
        self.waiting -= 1
        granted.set_result(None)

    async def _wait(self, host: str, disconnected: Callable[[], Awaitable[object]]) -> None:
        loop = asyncio.get_running_loop()
        started, granted = loop.time(), loop.create_future()
        self._queues.setdefault(host, deque()).append(granted)
        self.waiting += 1
        disconnecting = asyncio.ensure_future(disconnected())
        try:
            await asyncio.wait(
                {granted, disconnecting}, timeout=self.max_wait_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            if _is_granted(granted):
                self.release()
            raise
        finally:
            is_disconnected = disconnecting.done()
            disconnecting.cancel()
            if not granted.done():
                self._leave_queue(host, granted)
        metrics.PAGE_WAIT_SECONDS.labels(self.name).observe(loop.time() - started)
        if is_disconnected:
            if _is_granted(granted):
                self.release()
            self._count_shed("gone")
            raise ClientDisconnected
        if granted.cancelled():
            self._count_shed("timeout")
            raise Overloaded
        granted.result()  # Raises Overloaded if `_make_room_for` removed this request from the queue.

    def _make_room_for(self, host: str) -> None:
        """Refuse the last request of the address that waits for most; the newcomer, if that is its own address."""
        busiest = max(self._queues, key=lambda each: len(self._queues[each]), default=host)
        self._count_shed("full")
        if len(self._queues.get(busiest, ())) <= len(self._queues.get(host, ())):
            raise Overloaded
        refused = self._queues[busiest].pop()
        self._remove_if_empty(busiest)
        self.waiting -= 1
        refused.set_exception(Overloaded())

    def _leave_queue(self, host: str, granted: asyncio.Future[None]) -> None:
        granted.cancel()
        self._queues[host].remove(granted)
        self._remove_if_empty(host)
        self.waiting -= 1

    def _remove_if_empty(self, host: str) -> None:
        if not self._queues[host]:
            del self._queues[host]

    def _count_shed(self, reason: str) -> None:
        metrics.PAGE_REQUESTS_SHED.labels(self.name, reason).inc()


def _is_granted(granted: asyncio.Future[None]) -> bool:
    return granted.done() and not granted.cancelled() and granted.exception() is None
