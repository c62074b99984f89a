"""Gathering: what arrives while one batch is being stored makes the next batch, by one thread and one transaction.

Nothing waits on purpose: alone a call is a batch of one, under load a batch is as large as the one before took long.
It knows nothing of what is stored, by whom it was called, or that there is a database.
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
Answer = TypeVar("Answer")

IDLE = 2.0
"""Seconds without a call after which the line is given back."""
RETRY_PAUSE_SECONDS = 0.05
"""Between two tries of what someone else holds a lock on, while nothing new comes in."""
MAX_CONTENDED, MAX_RETRIES_PER_ROUND = 50, 5
"""What is kept to be tried again, and how many of it between two batches: those behind must not wait for it."""


class NotTaken(Exception):
    """There is no answer: too many wait, it took too long, or the end has come. Perhaps it was carried out."""


class Line:
    """What the thread keeps between batches. This one is nothing; see `database_line.py`."""

    def is_away(self, error: Exception) -> bool:
        """Whether the work failed because nothing can be carried out now."""
        return False

    def is_contended(self, error: Exception) -> bool:
        """Whether someone else holds a lock on what the work needs, for now."""
        return False

    def hold(self) -> None:
        """Called by the thread before each batch."""

    def is_worn(self) -> bool:
        """Whether it has been used before, so that a new one may do what it could not."""
        return False

    def hurry(self) -> None:
        """From here to the next batch wait for nobody."""

    def leave(self) -> None:
        """Give it back. Must not raise."""

    def cut(self) -> None:
        """Called from elsewhere while the thread hangs on it: make it fail."""


@dataclass(slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    future: asyncio.Future[Answer]
    deadline: float
    timer: asyncio.TimerHandle | None = None


class Gather(Generic[Item, Answer]):
    """`work` carries a batch out, all or nothing, and answers each in the same order.

    When it raises, the batch falls apart and each is tried alone: one that cannot be carried out harms no other.
    One whose lock someone else holds is tried again between batches, until it is carried out or was waited for long
    enough. When nothing can be carried out at all, all are told so. `patience` is what one batch may take before it
    counts as hanging; as long as batches go on, whoever waits for his turn is not told before `max_wait_seconds`.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Answer]],
        *,
        line: Line | None = None,
        most: int = 100,
        bound: int = 1000,
        patience: float = 4.0,
        max_wait_seconds: float = 10.0,
        carried_out: Callable[[int, float], None] = lambda count, seconds: None,
    ) -> None:
        self.work = work
        self._line = line or Line()
        self.most = most
        self.bound = bound
        self.patience = patience
        self.max_wait_seconds = max_wait_seconds
        self._carried_out = carried_out
        self._queue: SimpleQueue[_Waiting[Item, Answer] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.is_closed = False
        self._begun: float | None = None
        self._contended: list[_Waiting[Item, Answer]] = []

    async def take(self, item: Item) -> Answer:
        """The answer once it is carried out. Raises NotTaken, or what `work` raised for this item alone."""
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + self.max_wait_seconds
        waiting: _Waiting[Item, Answer] = _Waiting(item, loop.create_future(), deadline)
        with self._lock:
            if self.is_closed or self.waiting >= self.bound:
                raise NotTaken
            self._queue.put(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="gather", daemon=True)
                self._thread.start()
        waiting.timer = loop.call_later(self.patience, self._too_long, waiting)
        try:
            return await waiting.future
        finally:
            waiting.timer.cancel()

    def stop(self, patience: float = 4.0) -> None:
        """Carries out what was taken, and takes nothing more."""
        self.close()
        if self._thread is not None:
            self._thread.join(patience)

    def close(self) -> None:
        """Takes nothing more from here on."""
        with self._lock:
            if not self.is_closed:
                self.is_closed = True
                self._queue.put(None)

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    # -- in the caller's loop ----------------------------------------------------------------------------

    def _too_long(self, waiting: _Waiting[Item, Answer]) -> None:
        """It may still be carried out: whoever called will ask again, and be answered the same."""
        if waiting.future.done():
            return
        now, begun = time.monotonic(), self._begun
        left = min(waiting.deadline, (now if begun is None else begun) + self.patience) - now
        if left > 0:
            # On a busy machine batches are slow and go on all the same: to be refused would only make more work.
            waiting.timer = asyncio.get_running_loop().call_later(left, self._too_long, waiting)
            return
        waiting.future.set_exception(NotTaken())
        self._cut_off(begun)

    def _cut_off(self, begun: float | None) -> None:
        """The batch that began then, if it still hangs when it had its time: it began after its callers did."""
        if begun is None or begun != self._begun:
            return
        left = begun + self.patience - time.monotonic()
        if left > 0:
            asyncio.get_running_loop().call_later(left, self._cut_off, begun)
            return
        log.error("a batch hangs and is cut off")
        self._begun = time.monotonic()
        self._line.cut()

    # -- in the thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        going = True
        while going:
            batch, going = self._next_batch()
            if batch:
                begun = time.monotonic()
                with self._at_work():
                    answers = self._carry_out([waiting.item for waiting in batch])
                    self._settle(batch, answers, may_retry=going)
                self._carried_out(len(batch), time.monotonic() - begun)
            if self._contended:
                with self._at_work():
                    self._retry_contended(may_retry=going)
        self._line.leave()

    def _retry_contended(self, *, may_retry: bool) -> None:
        """Without waiting for a lock: whoever is behind them has nothing to do with it."""
        still_asked = [waiting for waiting in self._contended if not waiting.future.done()]
        retried = still_asked[:MAX_RETRIES_PER_ROUND]
        self._contended = still_asked[MAX_RETRIES_PER_ROUND:]
        if not retried:
            return
        try:
            self._line.hold()
            self._line.hurry()
        except Exception as error:
            self._settle(retried, [error] * len(retried), may_retry=False)
        else:
            self._settle(retried, [self._alone(waiting.item) for waiting in retried], may_retry=may_retry)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self._begun = time.monotonic()
        try:
            yield
        finally:
            self._begun = None

    def _next_batch(self) -> tuple[list[_Waiting[Item, Answer]], bool]:
        """Waits for the first, takes what else is there. False when nothing comes after it."""
        try:
            first = self._queue.get(timeout=RETRY_PAUSE_SECONDS if self._contended else IDLE)
        except Empty:
            if self._contended:
                return [], True
            with self._at_work():
                self._line.leave()
            first = self._queue.get()
        batch: list[_Waiting[Item, Answer]] = []
        with suppress(Empty):
            while first is not None:
                batch.append(first)
                if len(batch) == self.most:
                    return batch, True
                first = self._queue.get_nowait()
            return batch, False
        return batch, True

    def _carry_out(self, items: list[Item]) -> Sequence[Answer | Exception]:
        try:
            return self._together(items)
        except Exception as error:
            if len(items) == 1 or self._line.is_away(error):
                return [error] * len(items)
        log.warning("a batch falls apart", extra={"count": len(items)})
        with suppress(Exception):
            self._line.hurry()
        return [self._alone(item) for item in items]

    def _together(self, items: list[Item]) -> Sequence[Answer]:
        try:
            self._line.hold()
            return self.work(items)
        except Exception as error:
            if not (self._line.is_away(error) and self._line.is_worn()):
                raise
        # It was good when it was last used: perhaps only it is gone.
        self._line.leave()
        self._line.hold()
        return self.work(items)

    def _alone(self, item: Item) -> Answer | Exception:
        try:
            return self.work([item])[0]
        except Exception as error:
            return error

    def _settle(
        self,
        batch: list[_Waiting[Item, Answer]],
        answers: Sequence[Answer | Exception],
        *,
        may_retry: bool,
    ) -> None:
        """Each in the loop it waits in; most often all in one, which is woken once."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = defaultdict(list)
        for waiting, answer in zip(batch, answers, strict=True):
            is_contended = isinstance(answer, Exception) and self._line.is_contended(answer)
            if is_contended and may_retry and self._has_time_to_retry(waiting):
                self._contended.append(waiting)
            else:
                by_loop[waiting.future.get_loop()].append((waiting.future, answer))
        for loop, settled in by_loop.items():
            with suppress(RuntimeError):  # A loop that has closed in the meantime.
                loop.call_soon_threadsafe(_tell, settled)

    def _has_time_to_retry(self, waiting: _Waiting[Item, Answer]) -> bool:
        """For half of the time that anyone waits: a lock held longer is not given back soon, and Twilio calls again."""
        left = waiting.deadline - time.monotonic()
        return len(self._contended) < MAX_CONTENDED and left > self.max_wait_seconds / 2


def _tell(settled: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in settled:
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
