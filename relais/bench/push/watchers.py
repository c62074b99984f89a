"""Calls the hooks as Twilio would, at an even pace, and reads every socket; no more of either than is needed.

`python -m relais.bench.push.watchers PORT [KEEP]` takes its work from standard input and prints what it saw. It
shares the machine with whom it measures, so it parses frames by hand, and looks into equal ones once.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvloop
from twilio.request_validator import RequestValidator

AT_ONCE = 32
"""Sockets opened at a time."""
LATEST = 5.0
"""Seconds that the last frames may take."""
WARM = 1
"""Seconds before the measured ones: the first frame of a process waits for its templates to be read."""
KIND = re.compile(rb'\{"kind":"([a-z-]+)"')
NUMBER = re.compile(rb"No ([0-9]+)\.")
REV = re.compile(rb'"rev":([0-9]+)')
LENGTH = re.compile(rb"content-length: ([0-9]+)", re.IGNORECASE)
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SAID = "No {}. Bonjour, je voudrais prendre rendez-vous pour la révision de ma Classe C, jeudi matin si possible."


@dataclass(frozen=True)
class Told:
    """What one frame says; equal bytes say the same."""

    kind: str
    number: int
    """Of the message it shows, -1 for none."""
    rev: int
    text: str

    @classmethod
    def by(cls, payload: bytes) -> Told:
        kind, number, rev = KIND.match(payload), NUMBER.search(payload), REV.search(payload)
        return cls(
            kind[1].decode() if kind else "",
            int(number[1]) if number else -1,
            int(rev[1]) if rev else 0,
            payload.decode(),
        )


class Seen:
    """What came, and when. Times are those of the loop, in seconds."""

    def __init__(self) -> None:
        self.posted: dict[int, float] = {}
        self.measured_from = 0
        """The first message whose times count."""
        self.begun = 0.0
        self.known: dict[bytes, Told] = {}
        self.answered: list[float] = []
        self.thread: list[float] = []
        self.row: list[float] = []
        self.list_frames = 0
        self.got: Counter[int] = Counter()
        self.out_of_order = self.refused = self.untaken = 0
        self.kept: dict[int, str] = {}
        self.kept_of_list: list[tuple[float, str]] = []

    def told(self, payload: bytes) -> Told:
        told = self.known.get(payload)
        if told is None:
            told = self.known[payload] = Told.by(payload)
        return told


class Socket(asyncio.Protocol):
    """One socket of a page: says its handshake, and then reads frames as servers send them."""

    def __init__(self, seen: Seen, request: bytes) -> None:
        self.seen = seen
        self.request = request
        self.keeps = False
        """What it reads, for the bare fan-out."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.rest = b""
        self.is_open = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("refused"))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self.rest + data if self.rest else data
        if not self.is_open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self.rest = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self.is_open = True
        self.rest = self._frames(data, now)

    def _frames(self, data: bytes, now: float) -> bytes:
        """Hears each whole frame; returns what is left."""
        at, end = 0, len(data)
        while end - at >= 2:
            start, size = at + 2, data[at + 1]
            if size == 126:
                start, size = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
            elif size == 127:
                start, size = at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
            if start + size > end:
                break
            self._frame(data[at] & 15, data[start : start + size], now)
            at = start + size
        return data[at:]

    def _frame(self, kind: int, payload: bytes, now: float) -> None:
        if kind == TEXT:
            told = self.seen.told(payload)
            if self.ready.done():
                self.hear(told, now)
            elif told.kind in ("caught-up", "refresh"):
                self.ready.set_result(None)
        elif kind == PING:
            # Masked by zeros, which leaves it as it is.
            self.transport.write(bytes([0x80 | PONG, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
        elif kind == CLOSE:
            self.seen.refused += 1
            self.transport.close()

    def hear(self, told: Told, now: float) -> None:
        raise NotImplementedError


class OnThread(Socket):
    rev = -1

    def hear(self, told: Told, now: float) -> None:
        if told.kind != "message":
            return
        seen = self.seen
        if told.number >= seen.measured_from:
            seen.thread.append(now - seen.posted[told.number])
        seen.got[told.number] += 1
        seen.out_of_order += told.rev <= self.rev
        self.rev = told.rev
        seen.kept[told.number] = told.text


class OnList(Socket):
    def hear(self, told: Told, now: float) -> None:
        self.seen.list_frames += 1
        if told.kind == "row" and told.number >= self.seen.measured_from:
            self.seen.row.append(now - self.seen.posted[told.number])
        if self.keeps and self.seen.begun:
            self.seen.kept_of_list.append((now - self.seen.begun, told.text))


class Caller(asyncio.Protocol):
    """A connection by which Twilio calls: one call at a time."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, end, body = self.answer.partition(b"\r\n\r\n")
        size = LENGTH.search(head)
        if end and size and len(body) == int(size[1]) and not self.answered.done():
            self.answered.set_result(head.startswith(b"HTTP/1.1 200"))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_result(False)

    async def call(self, request: bytes) -> bool:
        self.answer, self.answered = b"", asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answered


class Hooks:
    """Calls at an even pace, whether or not what was called before has been answered."""

    def __init__(self, port: int, work: Mapping[str, Any], seen: Seen) -> None:
        self.port, self.work, self.seen = port, work, seen
        self.validator = RequestValidator(work["token"])
        self.idle: list[Caller] = []
        dice = random.Random(1)  # noqa: S311 (the same threads in both runs)
        calls = work["rate"] * (WARM + work["seconds"])
        self.thread_of = [dice.randrange(len(work["clients"])) for _ in range(calls)]
        seen.measured_from = work["rate"] * WARM

    def _request(self, number: int, thread: int) -> bytes:
        params = {
            "MessageSid": sid_of(number),
            "AccountSid": "AC" + "7" * 32,
            "From": self.work["clients"][thread],
            "To": f"whatsapp:{self.work['number']}",
            "Body": SAID.format(number),
            "NumMedia": "0",
            "ProfileName": f"Client {thread}",
        }
        path = "/api/twilio/message"
        body = urlencode(params).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
            f"X-Twilio-Signature: {self.validator.compute_signature(self.work['url'] + path, params)}\r\n\r\n"
        )
        return head.encode() + body

    async def call_all(self) -> None:
        # Signed beforehand, so that the pace is even.
        requests = [self._request(number, thread) for number, thread in enumerate(self.thread_of)]
        self.seen.begun = begun = time.monotonic()
        calls = set()
        for number, request in enumerate(requests):
            await asyncio.sleep(begun + number / self.work["rate"] - time.monotonic())
            call = asyncio.create_task(self._call(number, request))
            calls.add(call)
            call.add_done_callback(calls.discard)
        await asyncio.gather(*calls)

    async def _call(self, number: int, request: bytes) -> None:
        caller = await self._caller()
        self.seen.posted[number] = time.monotonic()
        self.seen.untaken += not await caller.call(request)
        if number >= self.seen.measured_from:
            self.seen.answered.append(time.monotonic() - self.seen.posted[number])
        self.idle.append(caller)

    async def _caller(self) -> Caller:
        """One that has nothing to do; the server hangs up on those that were idle for some seconds."""
        while self.idle:
            if not (caller := self.idle.pop()).transport.is_closing():
                return caller
        _, caller = await asyncio.get_running_loop().create_connection(Caller, "127.0.0.1", self.port)
        return caller


def sid_of(number: int) -> str:
    return f"SM{number + (1 << 64):032x}"


def _handshake(port: int, path: str, cookie: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {cookie}\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


async def _open_all(port: int, work: Mapping[str, Any], seen: Seen) -> Counter[int]:
    """A thread and a list for each cookie; how many look at each thread."""
    ids, some = work["conversations"], asyncio.Semaphore(AT_ONCE)

    async def opened(kind: type[Socket], path: str, cookie: str) -> Socket:
        async with some:
            _, socket = await asyncio.get_running_loop().create_connection(
                lambda: kind(seen, _handshake(port, path, cookie)), "127.0.0.1", port
            )
            await asyncio.wait_for(socket.ready, 60)
            return socket

    places = [(n % len(ids), cookie) for n, cookie in enumerate(work["cookies"])]
    await asyncio.gather(*(opened(OnThread, f"/live?conversation={ids[n]}", cookie) for n, cookie in places))
    first, *_ = await asyncio.gather(*(opened(OnList, "/live", cookie) for _, cookie in places))
    first.keeps = True
    return Counter(n for n, _ in places)


async def watch(port: int, work: Mapping[str, Any], keep: Path | None) -> dict[str, Any]:
    seen = Seen()
    looking = await _open_all(port, work, seen)
    hooks = Hooks(port, work, seen)
    # Two thousand sockets are many objects to go through, and there is nothing to be found among them.
    gc.collect()
    gc.disable()
    await hooks.call_all()
    expected = Counter({n: looking[thread] for n, thread in enumerate(hooks.thread_of)})
    latest = time.monotonic() + LATEST
    while expected - seen.got and time.monotonic() < latest:
        await asyncio.sleep(0.05)
    if keep:
        ids = work["conversations"]
        messages = {sid_of(n): [str(ids[hooks.thread_of[n]]), text] for n, text in seen.kept.items()}
        keep.write_text(json.dumps({"messages": messages, "lists": seen.kept_of_list}))
    return {
        "hook": sorted(seen.answered),
        "thread": sorted(seen.thread),
        "row": sorted(seen.row),
        "list_frames": seen.list_frames,
        "missing": (expected - seen.got).total(),
        "doubled": (seen.got - expected).total(),
        "out_of_order": seen.out_of_order,
        "refused": seen.refused,
        "untaken": seen.untaken,
        "posted": len(seen.posted) - seen.measured_from,
    }


if __name__ == "__main__":
    kept = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    print(json.dumps(uvloop.run(watch(int(sys.argv[1]), json.load(sys.stdin), kept))))
