"""How page requests get a thread: lanes with few threads each and a bounded queue in front, shared among addresses.

What cannot be served soon is refused at once, so that what is accepted stays quick; whoever went away is not served.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

from prometheus_client import Counter, Gauge, Histogram

MAX_WAIT_SECONDS = 10.0

SHED = Counter(
    "relais_page_requests_shed",
    "Page requests not served: the queue was full, they waited too long, or the client went away first.",
    ["lane", "reason"],
)
WAITING = Gauge("relais_page_requests_waiting", "Page requests that wait for a thread.", ["lane"])
BUSY = Gauge("relais_page_threads_busy", "Threads that serve page requests.", ["lane"])
WAIT_SECONDS = Histogram(
    "relais_page_wait_seconds",
    "How long page requests waited for a thread.",
    ["lane"],
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


class Overloaded(Exception):
    """There are more requests than can be served soon."""


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class Lane:
    """Counts the free threads of one kind of request. For one event loop: nothing here is locked."""

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
        WAITING.labels(name).set_function(lambda: self.waiting)
        BUSY.labels(name).set_function(lambda: self.threads - self.free)

    async def acquire(self, host: str, disconnected: Callable[[], Awaitable[object]]) -> None:
        """Take a thread, which `release` gives back. Raises Overloaded or ClientGone.

        `disconnected` returns when the client has gone.
        """
        if self.free:
            self.free -= 1
            WAIT_SECONDS.labels(self.name).observe(0)
            return
        if self.waiting >= self.max_waiting:
            self._make_room_for(host)
        await self._wait(host, disconnected)

    def release(self) -> None:
        """Hand the thread to whoever waits longest, of each address in turn."""
        if not self._queues:
            self.free += 1
            return
        host, queue = next(iter(self._queues.items()))
        granted = queue.popleft()
        self._queues.move_to_end(host)
        self._forget_empty(host)
        self.waiting -= 1
        granted.set_result(None)

    async def _wait(self, host: str, disconnected: Callable[[], Awaitable[object]]) -> None:
        loop = asyncio.get_running_loop()
        begun, granted = loop.time(), loop.create_future()
        self._queues.setdefault(host, deque()).append(granted)
        self.waiting += 1
        leaving = asyncio.ensure_future(disconnected())
        try:
            await asyncio.wait(
                {granted, leaving}, timeout=self.max_wait_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            if _is_granted(granted):
                self.release()
            raise
        finally:
            is_gone = leaving.done()
            leaving.cancel()
            if not granted.done():
                self._leave(host, granted)
        WAIT_SECONDS.labels(self.name).observe(loop.time() - begun)
        if is_gone:
            if _is_granted(granted):
                self.release()
            raise self._shed("gone")
        if granted.cancelled():
            raise self._shed("timeout")
        granted.result()  # Raises Overloaded for whoever had to make room.

    def _make_room_for(self, host: str) -> None:
        """Of the address that waits for most, the last is refused; of the newcomer's, the newcomer."""
        busiest = max(self._queues, key=lambda each: len(self._queues[each]), default=host)
        if len(self._queues.get(busiest, ())) <= len(self._queues.get(host, ())):
            raise self._shed("full")
        refused = self._queues[busiest].pop()
        self._forget_empty(busiest)
        self.waiting -= 1
        refused.set_exception(self._shed("full"))

    def _leave(self, host: str, granted: asyncio.Future[None]) -> None:
        granted.cancel()
        self._queues[host].remove(granted)
        self._forget_empty(host)
        self.waiting -= 1

    def _forget_empty(self, host: str) -> None:
        if not self._queues[host]:
            del self._queues[host]

    def _shed(self, reason: str) -> Exception:
        SHED.labels(self.name, reason).inc()
        return ClientGone() if reason == "gone" else Overloaded()


def _is_granted(granted: asyncio.Future[None]) -> bool:
    return granted.done() and not granted.cancelled() and granted.exception() is None
