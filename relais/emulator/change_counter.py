"""One counter for everything that changes, so that a phone or a test can ask for what is new since its last look."""

import asyncio
import time
from collections.abc import Callable

from relais.emulator.sids import new_sid


class Changes:
    def __init__(self) -> None:
        self.boot = new_sid("BO")
        """A cursor is worth something only within one life of the double."""
        self.last = 0
        self.listeners: list[Callable[[], None]] = []
        self._next = asyncio.Event()
        self._ended = False

    def mark(self) -> int:
        self.last += 1
        happened, self._next = self._next, asyncio.Event()
        happened.set()
        for listener in self.listeners:
            listener()
        return self.last

    async def after(self, since: int, seconds: float) -> None:
        """Returns when something is newer than `since`, when the time is over, or when there will be no more."""
        deadline = time.monotonic() + seconds
        while self.last <= since and not self._ended and (left := deadline - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self._next.wait(), left)
            except TimeoutError:
                return

    def end(self) -> None:
        self._ended = True
        self._next.set()
