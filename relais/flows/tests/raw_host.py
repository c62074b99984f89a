"""Slow and endless hosts for the tests of the HTTP client."""

import asyncio
import threading
from contextlib import contextmanager

DRIP_SECONDS = 0.05
ENDLESS = 10_000
STOP_ROUNDS = 10


async def drips_its_body(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99999\r\n\r\n")
    await drip(writer, b"x")


async def drips_its_headers(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    await drip(writer, b"x")


async def never_ends_its_headers(writer):
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await drip(writer, b"X-More: x\r\n")


async def says_to_go_on_for_ever(writer):
    await drip(writer, b"HTTP/1.1 100 Continue\r\n\r\n")


async def says_nothing(writer):
    await asyncio.sleep(60)


async def redirects_slowly(writer):
    await asyncio.sleep(DRIP_SECONDS * 4)
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def drip(writer, part):
    for _each in range(ENDLESS):
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)


class RawHost(threading.Thread):
    """Reads a request and then behaves as configured, on its own event loop."""

    def __init__(self, behaviour, address):
        super().__init__(daemon=True)
        self._behaviour, self._address, self.url = behaviour, address, ""
        self._ready, self._answers = threading.Event(), set()
        self.start()
        self._ready.wait(30)

    def run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._answer, self._address, 0) as server:
            self.url = f"http://{self._address}:{server.sockets[0].getsockname()[1]}"
            self._ready.set()
            await self._ended.wait()
        for _each in range(STOP_ROUNDS):
            # Of a connection that was just accepted the answer begins in a later iteration. Cancelled before that, it
            # would never abort its transport; and the loop closes aborted ones in its next iteration.
            await asyncio.sleep(0.01)
            for answer in self._answers:
                answer.cancel()
        await asyncio.gather(*self._answers)
        await asyncio.sleep(0)

    async def _answer(self, reader, writer):
        self._answers.add(asyncio.current_task())
        try:
            await reader.readuntil(b"\r\n\r\n")
            await self._behaviour(writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            # If the client no longer reads, a closed transport stays open until its buffer is empty.
            writer.transport.abort()

    def stop(self):
        self._loop.call_soon_threadsafe(self._ended.set)
        self.join(30)


@contextmanager
def raw_hosts():
    """Start hosts, each with its own behaviour and address."""
    hosts = []

    def make(behaviour):
        hosts.append(RawHost(behaviour, f"127.0.0.{len(hosts) + 1}"))
        return hosts[-1].url

    yield make
    for each in hosts:
        each.stop()


SLOW_HOSTS = [
    drips_its_body,
    drips_its_headers,
    never_ends_its_headers,
    says_to_go_on_for_ever,
    says_nothing,
    redirects_slowly,
]
