"""Batching of concurrent calls (request coalescing): what arrives while one batch is processed forms the next one.

One thread processes one batch at a time, each in one transaction. There is no artificial delay: a single call is a
batch of one, and under load a batch grows with the time that the previous one took. The batcher knows nothing of what
is stored, of its callers, or of a database.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_BATCH_SIZE = 100
MAX_QUEUED_CALLS = 1_000
BATCH_TIMEOUT_SECONDS = 4.0
"""A batch that takes longer counts as hanging and is aborted."""
MAX_WAIT_SECONDS = 10.0
"""After this long a queued call fails, even while batches go on."""
STOP_TIMEOUT_SECONDS = 4.0
IDLE_RELEASE_SECONDS = 2.0
"""After this long without a call the resource is released."""
RETRY_PAUSE_SECONDS = 0.05
"""Between two retries of contended items while no new calls arrive."""
MAX_CONTENDED, MAX_RETRIES_PER_ROUND = 50, 5
"""How many contended items are kept for retries, and how many are retried between two batches: the calls behind them
must not wait for a lock that does not concern them."""


class Overloaded(Exception):
    """No result: the queue is full, it took too long, or the batcher is closed. The item may have been processed."""


class BatchResource:
    """What the batcher's thread keeps between batches. This one is a no-op; see `batch_connection.py`."""

    def is_unavailable(self, error: Exception) -> bool:
        """Whether processing failed because nothing at all can be processed now."""
        return False

    def is_contended(self, error: Exception) -> bool:
        """Whether processing failed because another session holds a lock on what it needs."""
        return False

    def acquire(self) -> None:
        """Called by the thread before each batch."""

    def is_reused(self) -> bool:
        """Whether it has served an earlier batch, so that a new one may succeed where it failed."""
        return False

    def shorten_lock_timeout(self) -> None:
        """Until the next batch, hardly wait for locks."""

    def release(self) -> None:
        """Give it back. Must not raise."""

    def abort(self) -> None:
        """Called from another thread while the batcher's thread hangs on it: make the pending call fail."""


@dataclass(slots=True)
class _Pending(Generic[Item, Result]):
    item: Item
    future: asyncio.Future[Result]
    deadline: float
    timer: asyncio.TimerHandle | None = None


class Batcher(Generic[Item, Result]):
    """`process` handles a batch, all or nothing, and returns one result per item in the same order.

    When it raises, each item of the batch is retried individually, so that an invalid item does not fail the others.
    Contended items (someone else holds the lock) are retried between batches until they succeed or half of
    `max_wait_seconds` is over. When the resource is unavailable, the whole batch fails. A batch that takes longer than
    `batch_timeout_seconds` counts as hanging; while batches go on, a queued call fails only after `max_wait_seconds`.
    """

    def __init__(
        self,
        process: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        resource: BatchResource | None = None,
        max_batch_size: int = MAX_BATCH_SIZE,
        max_queued: int = MAX_QUEUED_CALLS,
        batch_timeout_seconds: float = BATCH_TIMEOUT_SECONDS,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        on_batch: Callable[[int, float], None] = lambda count, seconds: None,
    ) -> None:
        self.process = process
        self._resource = resource or BatchResource()
        self.max_batch_size = max_batch_size
        self.max_queued = max_queued
        self.batch_timeout_seconds = batch_timeout_seconds
        self.max_wait_seconds = max_wait_seconds
        self._on_batch = on_batch
        self._queue: SimpleQueue[_Pending[Item, Result] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.is_closed = False
        self._batch_started_at: float | None = None
        self._contended: list[_Pending[Item, Result]] = []

    async def submit(self, item: Item) -> Result:
        """Wait for the result. Raises Overloaded, or what `process` raised for this item alone."""
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + self.max_wait_seconds
        pending: _Pending[Item, Result] = _Pending(item, loop.create_future(), deadline)
        with self._lock:
            if self.is_closed or self.queued_count >= self.max_queued:
                raise Overloaded
            self._queue.put(pending)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
                self._thread.start()
        pending.timer = loop.call_later(self.batch_timeout_seconds, self._on_timeout, pending)
        try:
            return await pending.future
        finally:
            pending.timer.cancel()

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """Process what is queued and accept nothing more."""
        self.close()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def close(self) -> None:
        """Accept nothing more from here on."""
        with self._lock:
            if not self.is_closed:
                self.is_closed = True
                self._queue.put(None)

    @property
    def queued_count(self) -> int:
        return self._queue.qsize()

    # -- in the caller's event loop ----------------------------------------------------------------------

    def _on_timeout(self, pending: _Pending[Item, Result]) -> None:
        """Fail this call. Its item may still be processed: the caller retries, and gets the same result."""
        if pending.future.done():
            return
        now, started_at = time.monotonic(), self._batch_started_at
        hangs_at = (now if started_at is None else started_at) + self.batch_timeout_seconds
        remaining = min(pending.deadline, hangs_at) - now
        if remaining > 0:
            # On a busy machine batches are slow but go on: refusing calls would only make callers retry.
            pending.timer = asyncio.get_running_loop().call_later(remaining, self._on_timeout, pending)
            return
        pending.future.set_exception(Overloaded())
        self._abort_if_hanging(started_at)

    def _abort_if_hanging(self, started_at: float | None) -> None:
        """Abort the batch that started then, once its time is up: it started after its callers did."""
        if started_at is None or started_at != self._batch_started_at:
            return
        remaining = started_at + self.batch_timeout_seconds - time.monotonic()
        if remaining > 0:
            asyncio.get_running_loop().call_later(remaining, self._abort_if_hanging, started_at)
            return
        log.error("batch timed out, connection aborted")
        self._batch_started_at = time.monotonic()
        self._resource.abort()

    # -- in the batcher's thread -------------------------------------------------------------------------

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._next_batch()
            if batch:
                started_at = time.monotonic()
                with self._timed():
                    results = self._process_batch([pending.item for pending in batch])
                    self._resolve(batch, results, may_retry=is_open)
                self._on_batch(len(batch), time.monotonic() - started_at)
            if self._contended:
                with self._timed():
                    self._retry_contended(may_retry=is_open)
        self._resource.release()

    def _retry_contended(self, *, may_retry: bool) -> None:
        """Retry some contended items, hardly waiting for their locks: the calls behind them do not need those."""
        unanswered = [pending for pending in self._contended if not pending.future.done()]
        retried = unanswered[:MAX_RETRIES_PER_ROUND]
        self._contended = unanswered[MAX_RETRIES_PER_ROUND:]
        if not retried:
            return
        try:
            self._resource.acquire()
            self._resource.shorten_lock_timeout()
        except Exception as error:
            self._resolve(retried, [error] * len(retried), may_retry=False)
        else:
            results = [self._process_individually(pending.item) for pending in retried]
            self._resolve(retried, results, may_retry=may_retry)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """What happens inside counts as hanging after `batch_timeout_seconds`."""
        self._batch_started_at = time.monotonic()
        try:
            yield
        finally:
            self._batch_started_at = None

    def _next_batch(self) -> tuple[list[_Pending[Item, Result]], bool]:
        """Wait for the first item, then take all that is queued. False: the batcher is closed and nothing follows."""
        try:
            first = self._queue.get(timeout=RETRY_PAUSE_SECONDS if self._contended else IDLE_RELEASE_SECONDS)
        except Empty:
            if self._contended:
                return [], True
            with self._timed():
                self._resource.release()
            first = self._queue.get()
        batch: list[_Pending[Item, Result]] = []
        with suppress(Empty):
            while first is not None:
                batch.append(first)
                if len(batch) == self.max_batch_size:
                    return batch, True
                first = self._queue.get_nowait()
            return batch, False
        return batch, True

    def _process_batch(self, items: list[Item]) -> Sequence[Result | Exception]:
        try:
            return self._process_together(items)
        except Exception as error:
            if len(items) == 1 or self._resource.is_unavailable(error):
                return [error] * len(items)
        log.warning("batch failed, retrying individually", extra={"count": len(items)})
        with suppress(Exception):
            self._resource.shorten_lock_timeout()
        return [self._process_individually(item) for item in items]

    def _process_together(self, items: list[Item]) -> Sequence[Result]:
        try:
            self._resource.acquire()
            return self.process(items)
        except Exception as error:
            if not (self._resource.is_unavailable(error) and self._resource.is_reused()):
                raise
        # It worked for an earlier batch: perhaps only this connection is dead. Reconnect and retry once.
        self._resource.release()
        self._resource.acquire()
        return self.process(items)

    def _process_individually(self, item: Item) -> Result | Exception:
        try:
            return self.process([item])[0]
        except Exception as error:
            return error

    def _resolve(
        self,
        batch: list[_Pending[Item, Result]],
        results: Sequence[Result | Exception],
        *,
        may_retry: bool,
    ) -> None:
        """Set each future in its own event loop. Usually all are in one loop, which is then woken once."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = defaultdict(list)
        for pending, result in zip(batch, results, strict=True):
            is_contended = isinstance(result, Exception) and self._resource.is_contended(result)
            if is_contended and may_retry and self._has_time_to_retry(pending):
                self._contended.append(pending)
            else:
                by_loop[pending.future.get_loop()].append((pending.future, result))
        for loop, resolved in by_loop.items():
            with suppress(RuntimeError):  # The loop has been closed in the meantime.
                loop.call_soon_threadsafe(_set_results, resolved)

    def _has_time_to_retry(self, pending: _Pending[Item, Result]) -> bool:
        """Retry for half of the longest wait: a lock held longer is not released soon, and Twilio calls again."""
        remaining = pending.deadline - time.monotonic()
        return len(self._contended) < MAX_CONTENDED and remaining > self.max_wait_seconds / 2


def _set_results(resolved: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in resolved:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
