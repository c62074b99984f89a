"""One socket: what it was promised leaves in order, from a queue of its own, so that a slow one holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from relais.live import metrics
from relais.live.frames import Frame
from relais.live.protocol import Viewer

SIGNED_OUT, OUT_OF_REACH, COME_BACK, TOO_SLOW, NOT_UNDERSTOOD = 4401, 4404, 1012, 1013, 1008
LONGEST_QUEUE = 256
PATIENCE = 20.0
"""Seconds that one frame, or the last word, may take to leave."""

GONE = (WebSocketDisconnect, RuntimeError)
"""What sending raises when the other side has left; the second when the server was faster to close."""


class Socket:
    def __init__(self, websocket: WebSocket, session: str, viewer: Viewer) -> None:
        self.websocket = websocket
        self.session = session
        self.viewer = viewer
        self._queue: asyncio.Queue[Frame | None] = asyncio.Queue(LONGEST_QUEUE)
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def push(self, frame: Frame | None) -> None:
        """None: there is more than is worth queueing; once it has sent what it was given, let it read for itself."""
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.end(TOO_SLOW)

    def end(self, code: int) -> None:
        """Close it soon; what still waits in the queue is not sent any more."""
        if not self._end.done():
            self._end.set_result(code)

    async def pushed(self) -> AsyncIterator[Frame]:
        """Until it has to read for itself."""
        while frame := await self._queue.get():
            yield frame

    async def converse(self, frames: AsyncIterator[Frame]) -> int | None:
        """Send `frames` until the other side leaves, or until someone calls `end`: with which code to close it."""
        sending = asyncio.create_task(self._send(frames))
        leaving = asyncio.create_task(self._until_it_leaves())
        try:
            ends: set[asyncio.Future[Any]] = {sending, leaving, self._end}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not self._end.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        return self._end.result() if self._end.done() else None

    async def _send(self, frames: AsyncIterator[Frame]) -> None:
        async for frame in frames:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self.websocket.send_text(frame.text)
            except GONE:
                return
            metrics.frames(frame.kind).inc()

    async def _until_it_leaves(self) -> None:
        """Pages have nothing to say here; reading is how one learns that they went."""
        while (await self.websocket.receive())["type"] != "websocket.disconnect":
            pass


async def say_goodbye(websocket: WebSocket, code: int) -> None:
    """A code reaches the page only over an open socket; one that takes nothing any more is left to itself."""
    metrics.closed(code)
    with suppress(*GONE, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await websocket.close(code)
