"""Open pages: sockets of `/live` that are dropped, reconnect with their rev, and record each frame."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from relais.bench.faults.testbed import Testbed
from relais.emulator.testing import wait_for

RECONNECT_AFTER_SECONDS = 0.5
CONNECT_TIMEOUT_SECONDS = 15.0


class SocketReader:
    def __init__(self, conversation: int, rev: int) -> None:
        self.conversation = conversation
        self.first = self.rev = rev
        self.frames: list[tuple[str, int, int]] = []
        """Kind, id and rev, in the order of arrival."""
        self.reconnects = -1
        self.socket: ClientConnection | None = None

    async def read(self, url: str, cookie: str, origin: str) -> None:
        while True:
            with suppress(OSError, TimeoutError, WebSocketException):
                await self._read_once(
                    f"{url}?conversation={self.conversation}&since={self.rev}", cookie, origin
                )
            self.socket = None
            await asyncio.sleep(RECONNECT_AFTER_SECONDS)

    async def _read_once(self, address: str, cookie: str, origin: str) -> None:
        headers = {"Cookie": cookie, "Origin": origin}
        async with connect(
            address, additional_headers=headers, compression=None, proxy=None, close_timeout=1, max_queue=1024
        ) as self.socket:
            self.reconnects += 1
            async for text in self.socket:
                self._record_frame(json.loads(text))

    def _record_frame(self, frame: dict[str, Any]) -> None:
        if frame["kind"] != "caught-up":
            self.frames.append((frame["kind"], frame["id"], frame["rev"]))
        self.rev = max(self.rev, frame["rev"])


class SocketReaders:
    """All in one thread with a loop of its own."""

    def __init__(self, testbed: Testbed, conversations: list[int]) -> None:
        revs = dict(testbed.desk.query("select id, rev from conversations where id = any(%s)", conversations))
        self.all = [SocketReader(conversation, revs[conversation]) for conversation in conversations]
        self.cuts = 0
        person = next(iter(testbed.users.values()))
        self._origin = testbed.desk.url
        self._cookie = f"sessionid={person.http.cookies['sessionid']}"
        # The cookie's host, as the page has it.
        self._url = f"ws://localhost:{testbed.desk.port}/live"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="readers")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.ident is not None:
            self._loop.call_soon_threadsafe(self._reading.cancel)
            self._thread.join()

    def cut(self, rng: random.Random) -> None:
        """Abort half of the connections; none while no page can connect."""
        with suppress(TimeoutError):
            wait_for(
                lambda: any(reader.socket for reader in self.all),
                CONNECT_TIMEOUT_SECONDS,
                "a page to be connected",
            )
        self._loop.call_soon_threadsafe(self._cut, rng)

    def _cut(self, rng: random.Random) -> None:
        connected = [reader.socket for reader in self.all if reader.socket]
        for socket in [each for each in connected if rng.random() < 0.5] or connected[:1]:
            socket.transport.abort()
            self.cuts += 1

    def _run(self) -> None:
        self._reading = self._loop.create_task(self._read_all())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._reading)
        self._loop.close()

    async def _read_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for reader in self.all:
                group.create_task(reader.read(self._url, self._cookie, self._origin))
