"""One live socket with its own bounded queue (backpressure): frames stay in order, a slow socket delays nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from enum import IntEnum
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from relais.live import metrics, websocket_limits
from relais.live.frames import Frame
from relais.live.protocol import Viewer

PAGE_STATES = {"visible": True, "hidden": False}
"""What pages send."""
NEVER = 0.0
ACTIVE = "active"
"""What a page sends when its user clicks or types, at most every half minute."""
DISCONNECTED = (WebSocketDisconnect, RuntimeError)
"""Raised by sending when the client has disconnected; the second if the server closed first."""


class CloseCode(IntEnum):
    SIGNED_OUT = 4401
    OUT_OF_REACH = 4404
    RECONNECT = 1012
    TRY_AGAIN_LATER = 1013
    INVALID_REQUEST = 1008


class LiveSocket:
    def __init__(self, websocket: WebSocket, session: str, viewer: Viewer, *, is_active: bool = True) -> None:
        self.websocket = websocket
        self.session = session
        self.viewer = viewer
        self.is_visible = True
        """Whether the page is in front of the user. It says so when that changes."""
        self.active_at = time.monotonic() if is_active else NEVER
        """When the user last clicked or typed, by the monotonic clock."""
        self.on_active: Callable[[], None] | None = None
        self.on_message: Callable[[str], None] | None = None
        """Called with what the page sends, except its visibility and that it is active."""
        self._queue: asyncio.Queue[Frame | None] = asyncio.Queue(websocket_limits.MAX_QUEUED_FRAMES)
        self._close_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def push(self, frame: Frame) -> None:
        self._enqueue(frame)

    def push_ephemeral(self, frame: Frame) -> None:
        """A frame that may be lost: it takes no place from those that must arrive."""
        if self._queue.qsize() < websocket_limits.MAX_QUEUED_FRAMES // 4:
            self._enqueue(frame)

    def push_gap(self) -> None:
        """Frames are left out here: once the queue is sent, the socket must catch up from the database."""
        self._enqueue(None)

    def _enqueue(self, frame: Frame | None) -> None:
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.close_soon(CloseCode.TRY_AGAIN_LATER)

    async def frames_until_gap(self) -> AsyncIterator[Frame]:
        while frame := await self._queue.get():
            yield frame

    def close_soon(self, code: int) -> None:
        """Make `send_until_closed` return. Frames still in the queue are not sent."""
        if not self._close_code.done():
            self._close_code.set_result(code)

    async def send_until_closed(self, frames: AsyncIterator[Frame]) -> int | None:
        """Send until the client disconnects or `close_soon` is called. Returns the code to close with, if any."""
        sending = asyncio.create_task(self._send(frames))
        disconnecting = asyncio.create_task(self._wait_for_disconnect())
        try:
            ends: set[asyncio.Future[Any]] = {sending, disconnecting, self._close_code}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not self._close_code.done():
                sending.result()
        finally:
            for task in (sending, disconnecting):
                task.cancel()
            await asyncio.gather(sending, disconnecting, return_exceptions=True)
        return self._close_code.result() if self._close_code.done() else None

    async def _send(self, frames: AsyncIterator[Frame]) -> None:
        async for frame in frames:
            try:
                async with asyncio.timeout(websocket_limits.SEND_TIMEOUT_SECONDS):
                    await self.websocket.send_text(frame.text)
            except DISCONNECTED:
                return
            metrics.count_frame_sent(frame.kind)

    async def _wait_for_disconnect(self) -> None:
        """Read what the page sends. Only reading reveals that the client has disconnected."""
        while (message := await self.websocket.receive())["type"] != "websocket.disconnect":
            if text := message.get("text"):
                self._on_text(text)

    def _on_text(self, text: str) -> None:
        if text in PAGE_STATES:
            self.is_visible = PAGE_STATES[text]
        elif text == ACTIVE:
            self.active_at = time.monotonic()
            if self.on_active:
                self.on_active()
        elif self.on_message:
            self.on_message(text)


async def close_websocket(websocket: WebSocket, code: int) -> None:
    """A close code reaches the page only over an accepted socket. A client that reads nothing is abandoned."""
    metrics.count_closed(code)
    with suppress(*DISCONNECTED, TimeoutError):
        async with asyncio.timeout(websocket_limits.SEND_TIMEOUT_SECONDS):
            await websocket.close(code)
