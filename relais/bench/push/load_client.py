"""Calls the webhook at a constant rate and reads every socket, as cheaply as possible.

`python -m relais.bench.push.load_client PORT [KEEP]` reads its job from standard input and prints
measurements. It shares the machine with the server, so it parses frames by hand and equal frames once.
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

MAX_CONCURRENT_HANDSHAKES = 32
LAST_FRAME_TIMEOUT_SECONDS = 5.0
WARM_UP_SECONDS = 1
"""The first frame of a process waits for its templates to be loaded."""
KIND = re.compile(rb'\{"kind":"([a-z-]+)"')
NUMBER = re.compile(rb"No ([0-9]+)\.")
REV = re.compile(rb'"rev":([0-9]+)')
LENGTH = re.compile(rb"content-length: ([0-9]+)", re.IGNORECASE)
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
MESSAGE_TEMPLATE = (
    "No {}. Bonjour, je voudrais prendre rendez-vous pour la révision de ma Classe C, "
    "jeudi matin si possible."
)


@dataclass(frozen=True)
class ParsedFrame:
    """One parsed frame; equal bytes are parsed once."""

    kind: str
    number: int
    """Of the message it shows, -1 for none."""
    rev: int
    text: str

    @classmethod
    def from_bytes(cls, payload: bytes) -> ParsedFrame:
        kind, number, rev = KIND.match(payload), NUMBER.search(payload), REV.search(payload)
        return cls(
            kind[1].decode() if kind else "",
            int(number[1]) if number else -1,
            int(rev[1]) if rev else 0,
            payload.decode(),
        )


class Measurements:
    """What was received and when. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.posted: dict[int, float] = {}
        self.measured_from = 0
        """The first message whose times count."""
        self.begun = 0.0
        self.known: dict[bytes, ParsedFrame] = {}
        self.answered: list[float] = []
        self.thread: list[float] = []
        self.row: list[float] = []
        self.list_frames = 0
        self.got: Counter[int] = Counter()
        self.out_of_order = self.refused = self.untaken = 0
        self.kept: dict[int, str] = {}
        self.kept_of_list: list[tuple[float, str]] = []

    def parse(self, payload: bytes) -> ParsedFrame:
        frame = self.known.get(payload)
        if frame is None:
            frame = self.known[payload] = ParsedFrame.from_bytes(payload)
        return frame


class Socket(asyncio.Protocol):
    """One socket of a page: sends its handshake, then reads unmasked server frames."""

    def __init__(self, measurements: Measurements, request: bytes) -> None:
        self.measurements = measurements
        self.request = request
        self.keeps = False
        """Whether it records what it reads, for the bare fan-out."""
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
        """Handle each complete frame; return the remaining bytes."""
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
            frame = self.measurements.parse(payload)
            if self.ready.done():
                self.on_frame(frame, now)
            elif frame.kind in ("caught-up", "refresh"):
                self.ready.set_result(None)
        elif kind == PING:
            # A mask of zeros leaves the payload unchanged.
            self.transport.write(bytes([0x80 | PONG, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
        elif kind == CLOSE:
            self.measurements.refused += 1
            self.transport.close()

    def on_frame(self, frame: ParsedFrame, now: float) -> None:
        raise NotImplementedError


class ConversationSocket(Socket):
    rev = -1

    def on_frame(self, frame: ParsedFrame, now: float) -> None:
        if frame.kind != "message":
            return
        measurements = self.measurements
        if frame.number >= measurements.measured_from:
            measurements.thread.append(now - measurements.posted[frame.number])
        measurements.got[frame.number] += 1
        measurements.out_of_order += frame.rev <= self.rev
        self.rev = frame.rev
        measurements.kept[frame.number] = frame.text


class ListSocket(Socket):
    def on_frame(self, frame: ParsedFrame, now: float) -> None:
        self.measurements.list_frames += 1
        if frame.kind == "row" and frame.number >= self.measurements.measured_from:
            self.measurements.row.append(now - self.measurements.posted[frame.number])
        if self.keeps and self.measurements.begun:
            self.measurements.kept_of_list.append((now - self.measurements.begun, frame.text))


class HookConnection(asyncio.Protocol):
    """A keep-alive connection with one request at a time."""

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


class HookCaller:
    """Open-loop load: calls at a constant rate, whether or not earlier calls were answered."""

    def __init__(self, port: int, work: Mapping[str, Any], measurements: Measurements) -> None:
        self.port, self.work, self.measurements = port, work, measurements
        self.validator = RequestValidator(work["token"])
        self.idle: list[HookConnection] = []
        rng = random.Random(1)  # noqa: S311 (the same threads in both runs)
        calls = work["rate"] * (WARM_UP_SECONDS + work["seconds"])
        self.thread_of = [rng.randrange(len(work["clients"])) for _ in range(calls)]
        measurements.measured_from = work["rate"] * WARM_UP_SECONDS

    def _request(self, number: int, thread: int) -> bytes:
        params = {
            "MessageSid": sid_of(number),
            "AccountSid": "AC" + "7" * 32,
            "From": self.work["clients"][thread],
            "To": f"whatsapp:{self.work['number']}",
            "Body": MESSAGE_TEMPLATE.format(number),
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
        # Signed beforehand, so that the rate is constant.
        requests = [self._request(number, thread) for number, thread in enumerate(self.thread_of)]
        self.measurements.begun = begun = time.monotonic()
        calls = set()
        for number, request in enumerate(requests):
            await asyncio.sleep(begun + number / self.work["rate"] - time.monotonic())
            call = asyncio.create_task(self._call(number, request))
            calls.add(call)
            call.add_done_callback(calls.discard)
        await asyncio.gather(*calls)

    async def _call(self, number: int, request: bytes) -> None:
        caller = await self._caller()
        self.measurements.posted[number] = time.monotonic()
        self.measurements.untaken += not await caller.call(request)
        if number >= self.measurements.measured_from:
            self.measurements.answered.append(time.monotonic() - self.measurements.posted[number])
        self.idle.append(caller)

    async def _caller(self) -> HookConnection:
        """An idle connection; the server closes those that were idle for some seconds."""
        while self.idle:
            if not (caller := self.idle.pop()).transport.is_closing():
                return caller
        _, caller = await asyncio.get_running_loop().create_connection(HookConnection, "127.0.0.1", self.port)
        return caller


def sid_of(number: int) -> str:
    return f"SM{number + (1 << 64):032x}"


def _handshake(port: int, path: str, cookie: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {cookie}\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


async def _open_all(port: int, work: Mapping[str, Any], measurements: Measurements) -> Counter[int]:
    """Open a conversation's socket and a list's for each cookie; return the number of sockets per conversation."""
    ids, semaphore = work["conversations"], asyncio.Semaphore(MAX_CONCURRENT_HANDSHAKES)

    async def opened(kind: type[Socket], path: str, cookie: str) -> Socket:
        async with semaphore:
            _, socket = await asyncio.get_running_loop().create_connection(
                lambda: kind(measurements, _handshake(port, path, cookie)), "127.0.0.1", port
            )
            await asyncio.wait_for(socket.ready, 60)
            return socket

    assignments = [(n % len(ids), cookie) for n, cookie in enumerate(work["cookies"])]
    await asyncio.gather(
        *(opened(ConversationSocket, f"/live?conversation={ids[n]}", cookie) for n, cookie in assignments)
    )
    first, *_ = await asyncio.gather(*(opened(ListSocket, "/live", cookie) for _, cookie in assignments))
    first.keeps = True
    return Counter(n for n, _ in assignments)


async def run(port: int, work: Mapping[str, Any], keep: Path | None) -> dict[str, Any]:
    measurements = Measurements()
    watcher_counts = await _open_all(port, work, measurements)
    hooks = HookCaller(port, work, measurements)
    # A full collection over two thousand sockets would take long and free nothing.
    gc.collect()
    gc.disable()
    await hooks.call_all()
    expected = Counter({n: watcher_counts[thread] for n, thread in enumerate(hooks.thread_of)})
    latest = time.monotonic() + LAST_FRAME_TIMEOUT_SECONDS
    while expected - measurements.got and time.monotonic() < latest:
        await asyncio.sleep(0.05)
    if keep:
        ids = work["conversations"]
        messages = {sid_of(n): [str(ids[hooks.thread_of[n]]), text] for n, text in measurements.kept.items()}
        keep.write_text(json.dumps({"messages": messages, "lists": measurements.kept_of_list}))
    return {
        "hook": sorted(measurements.answered),
        "thread": sorted(measurements.thread),
        "row": sorted(measurements.row),
        "list_frames": measurements.list_frames,
        "missing": (expected - measurements.got).total(),
        "doubled": (measurements.got - expected).total(),
        "out_of_order": measurements.out_of_order,
        "refused": measurements.refused,
        "untaken": measurements.untaken,
        "posted": len(measurements.posted) - measurements.measured_from,
    }


if __name__ == "__main__":
    kept = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    print(json.dumps(uvloop.run(run(int(sys.argv[1]), json.load(sys.stdin), kept))))
