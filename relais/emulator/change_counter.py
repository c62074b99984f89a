"""Counts changes, so that a phone or a test can ask for what is new since its last request (long polling)."""

import asyncio
import time
from collections.abc import Callable

from relais.emulator.sids import new_sid


class ChangeCounter:
    def __init__(self) -> None:
        self.boot = new_sid("BO")
        """Identifies one run of the double: a counter value is valid only within it."""
        self.last = 0
        self.listeners: list[Callable[[], None]] = []
        self._next = asyncio.Event()
        self._is_closed = False

    def increment(self) -> int:
        self.last += 1
        current, self._next = self._next, asyncio.Event()
        current.set()
        for listener in self.listeners:
            listener()
        return self.last

    async def wait_for_newer(self, since: int, seconds: float) -> None:
        """Return when something is newer than `since`, after `seconds`, or when the server stops."""
        deadline = time.monotonic() + seconds
        while self.last <= since and not self._is_closed and (left := deadline - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self._next.wait(), left)
            except TimeoutError:
                return

    def close(self) -> None:
        self._is_closed = True
        self._next.set()
