"""What one connection may take and how many there may be, so that nobody who only connects can silence the web process.

Time and bytes of a request are bounded before anything of it is known. When there is no room, the connection that has
been idle longest goes; the last places are kept for hooks. WebSockets stay as long as they like: whoever has no session
is refused at once.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter as CountOf
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import Any

from prometheus_client import Counter, Gauge
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_CONNECTIONS = 4096
DESCRIPTORS_FOR_OTHERS = 256
"""The database, files, logs."""
MAX_DESCRIPTORS = 65_536
SWEEP_SECONDS = 1.0
OWN_PATHS = b"/api/"
"""Hooks and health: they have the last places, and bodies of their own."""
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")

CONNECTIONS = Gauge("relais_connections", "Open connections.", ["kind"])
BODY_BYTES = Gauge(
    "relais_request_body_bytes", "Held of large request bodies that are not answered yet.", ["lane"]
)
REFUSED = Counter("relais_connections_refused", "Connections closed at once for want of room.", ["reason"])
EVICTED = Counter("relais_connections_evicted", "Connections closed to make room for another.", ["phase"])
TIMEOUTS = Counter("relais_request_timeouts", "Connections closed for taking too long.", ["phase"])
REQUESTS_REFUSED = Counter(
    "relais_requests_refused", "Requests refused before the application saw all of them.", ["reason"]
)


class Phase(StrEnum):
    IDLE = "idle"
    HEADERS = "headers"
    BODY = "body"
    LINGER = "linger"
    """It was answered before its body was there: what still comes is thrown away for a moment."""
    ANSWER = "answer"
    """The application is at work."""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    max_connections: int = MAX_CONNECTIONS
    hook_reserve: int = 256
    max_per_address: int = 256
    """Without WebSockets, and not for this machine: a proxy on it stands for everybody."""
    idle_seconds: float = 30.0
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    linger_seconds: float = 2.0
    write_seconds: float = 60.0
    """How long a client may take nothing of an answer that waits for it."""
    evictable_body_seconds: float = 5.0
    max_header_bytes: int = 32 * 1024
    max_headers: int = 100
    max_request_bytes: int = 4 * 1024 * 1024
    max_pipelined: int = 16
    small_body_bytes: int = 32 * 1024
    """A body up to here is bounded by the number of connections; what is above counts together."""
    max_large_body_bytes: int = 32 * 1024 * 1024
    """Of all bodies together, for hooks and for everything else each."""


def limits_for_this_process() -> ConnectionLimits:
    """Raises the limit of open descriptors as far as this process may, and keeps below it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    room = MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else soft - DESCRIPTORS_FOR_OTHERS
    most = max(64, min(MAX_CONNECTIONS, room))
    return ConnectionLimits(max_connections=most, hook_reserve=min(256, most // 8))


def protocols(limits: ConnectionLimits) -> dict[str, Any]:
    """What uvicorn's configuration takes to run within these limits."""
    table = ConnectionTable(limits)
    return {
        "http": partial(LimitedHttpProtocol, table=table),
        "ws": partial(LimitedWebSocketProtocol, table=table),
        # Never by uvicorn's own timer, which every byte that comes stops.
        "timeout_keep_alive": int(limits.idle_seconds * 4) + 1,
    }


class ConnectionTable:
    """All connections of a server, by what they wait for, longest first. For one event loop: nothing is locked."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.http: set[LimitedHttpProtocol] = set()
        self.websockets: set[LimitedWebSocketProtocol] = set()
        self.large_bytes = {"hooks": 0, "others": 0}
        self._phases: dict[Phase, OrderedDict[LimitedHttpProtocol, float]] = {
            phase: OrderedDict() for phase in Phase
        }
        self._by_address: CountOf[str] = CountOf()
        self._seconds = {
            Phase.IDLE: limits.idle_seconds,
            Phase.HEADERS: limits.header_seconds,
            Phase.BODY: limits.body_seconds,
            Phase.LINGER: limits.linger_seconds,
        }
        self._sweeping = False
        CONNECTIONS.labels("http").set_function(lambda: len(self.http))
        CONNECTIONS.labels("websocket").set_function(lambda: len(self.websockets))
        for lane in self.large_bytes:
            BODY_BYTES.labels(lane).set_function(lambda lane=lane: self.large_bytes[lane])  # type: ignore[misc]

    @property
    def count(self) -> int:
        return len(self.http) + len(self.websockets)

    @property
    def is_crowded(self) -> bool:
        """Only hooks are answered."""
        return self.count > self.limits.max_connections - self.limits.hook_reserve

    # -- coming and going -----------------------------------------------------------------------------------

    def opened(self, connection: LimitedHttpProtocol) -> None:
        self.http.add(connection)
        self._by_address[connection.address] += 1
        self.enter(connection, Phase.IDLE)
        self._make_room(connection)
        if not self._sweeping:
            self._sweeping = True
            connection.loop.call_later(SWEEP_SECONDS, self._sweep, connection.loop)

    def closed(self, connection: LimitedHttpProtocol) -> None:
        if connection in self.http:
            self.http.discard(connection)
            self._phases[connection.phase].pop(connection, None)
            self._by_address[connection.address] -= 1
            if not self._by_address[connection.address]:
                del self._by_address[connection.address]

    def upgraded(self, connection: LimitedHttpProtocol, websocket: LimitedWebSocketProtocol) -> None:
        self.closed(connection)
        self.websockets.add(websocket)

    def enter(self, connection: LimitedHttpProtocol, phase: Phase) -> None:
        if connection in self.http:
            self._phases[connection.phase].pop(connection, None)
            connection.phase = phase
            self._phases[phase][connection] = connection.loop.time()

    # -- room -----------------------------------------------------------------------------------------------

    def _make_room(self, newcomer: LimitedHttpProtocol) -> None:
        address = newcomer.address
        is_over = address not in LOOPBACK and self._by_address[address] > self.limits.max_per_address
        if is_over and not self._evict(newcomer, address):
            self._refuse(newcomer, "address")
        elif self.is_crowded and not self._evict(newcomer) and self.count > self.limits.max_connections:
            self._refuse(newcomer, "total")

    def _refuse(self, newcomer: LimitedHttpProtocol, reason: str) -> None:
        REFUSED.labels(reason).inc()
        self._drop(newcomer)

    def _evict(self, newcomer: LimitedHttpProtocol, address: str | None = None) -> bool:
        """Closes the connection that has been idle longest, else one whose request has been coming for longest."""
        for phase in (Phase.IDLE, Phase.HEADERS, Phase.LINGER, Phase.BODY):
            for connection in self._evictable(phase):
                if connection is not newcomer and address in (None, connection.address):
                    EVICTED.labels(phase.value).inc()
                    self._drop(connection)
                    return True
        return False

    def _evictable(self, phase: Phase) -> Iterator[LimitedHttpProtocol]:
        for connection, since in self._phases[phase].items():
            if phase == Phase.BODY and connection.loop.time() - since < self.limits.evictable_body_seconds:
                return
            if not connection.transport.get_write_buffer_size():
                yield connection

    def _drop(self, connection: LimitedHttpProtocol) -> None:
        self.closed(connection)
        connection.transport.abort()

    # -- time -----------------------------------------------------------------------------------------------

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for phase, seconds in self._seconds.items():
            for connection, since in list(self._phases[phase].items()):
                if now - since < seconds:
                    break
                connection.expire(phase)
        self._sweeping = bool(self.http)
        if self._sweeping:
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)

    # -- memory ---------------------------------------------------------------------------------------------

    def reserve(self, lane: str, count: int) -> bool:
        if self.large_bytes[lane] + count > self.limits.max_large_body_bytes:
            return False
        self.large_bytes[lane] += count
        return True

    def give_back(self, lane: str, count: int) -> None:
        self.large_bytes[lane] -= count


class _TooManyHeaders(Exception):
    """Raised through the parser, which stops there."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's own, watched: what it reads is counted, and each phase of a request has its time."""

    def __init__(self, *args: Any, table: ConnectionTable, **options: Any) -> None:
        super().__init__(*args, **options)
        self.table = table
        self.limits = table.limits
        self.phase = Phase.IDLE
        self.address = ""
        self._reading = Phase.IDLE
        """Of the request that comes, whatever is being answered meanwhile: idle, headers or body."""
        self._begun_in_this_chunk = 0
        self._header_count = self._header_bytes = self._header_chunk_bytes = self._request_bytes = 0
        self._lane = self._reserved_lane = "others"
        self._body_bytes = self._reserved_bytes = 0
        self._write_timer: asyncio.TimerHandle | None = None
        self._drains = 0

    # -- the connection -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = (get_remote_addr(transport) or ("", 0))[0]
        self.table.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.table.closed(self)
        self._give_back()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        was = self._reading
        if was == Phase.IDLE:
            self._read(Phase.HEADERS)
            self._header_chunk_bytes = 0
        self._begun_in_this_chunk = 0
        self._request_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._reading == Phase.HEADERS and was != Phase.BODY and self._begun_in_this_chunk <= 1:
            self._header_chunk_bytes += len(data)
            if self._header_chunk_bytes > self.limits.max_header_bytes:
                self.refuse(431, "headers")
        elif self._request_bytes > self.limits.max_request_bytes:
            self.refuse(413, "size")

    def handle_websocket_upgrade(self) -> None:
        if self.table.is_crowded:
            self.refuse(503, "crowded")
            return
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if isinstance(protocol, LimitedWebSocketProtocol):
            self.table.upgraded(self, protocol)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_write_timer()
        self._write_timer = self.loop.call_later(self.limits.write_seconds, self._write_stalled)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_write_timer()

    def _write_stalled(self) -> None:
        TIMEOUTS.labels("write").inc()
        self.transport.abort()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # -- what the parser finds ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun_in_this_chunk += 1
        self._header_count = self._header_bytes = self._request_bytes = 0
        self._read(Phase.HEADERS)

    def on_url(self, url: bytes) -> None:
        self._count_header(len(url), 0)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_header(len(name) + len(value), 1)
        super().on_header(name, value)

    def _count_header(self, size: int, headers: int) -> None:
        self._header_bytes += size
        self._header_count += headers
        if self._header_bytes > self.limits.max_header_bytes or self._header_count > self.limits.max_headers:
            raise _TooManyHeaders

    def on_headers_complete(self) -> None:
        is_own = self.url.startswith(OWN_PATHS)
        self._lane = "hooks" if is_own else "others"
        is_refused = self.table.is_crowded and not is_own
        self.app = _crowded if is_refused else self.config.loaded_app
        if is_refused:
            REQUESTS_REFUSED.labels("crowded").inc()
        self._body_bytes = 0
        self._reading = Phase.BODY
        super().on_headers_complete()
        self._update()
        if len(self.pipeline) > self.limits.max_pipelined:
            self.refuse(503, "pipelined")

    def on_body(self, body: bytes) -> None:
        if self.transport.is_closing():
            return
        self._body_bytes += len(body)
        large = min(len(body), self._body_bytes - self.limits.small_body_bytes)
        if large > 0 and not self.cycle.response_complete:
            if not self._reserved_bytes:
                self._reserved_lane = self._lane
            if not self.table.reserve(self._reserved_lane, large):
                self.refuse(503, "memory")
                return
            self._reserved_bytes += large
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._reading = Phase.IDLE
        self._update()

    def on_response_complete(self) -> None:
        if not self.pipeline:
            self._give_back()
        super().on_response_complete()
        self._update()

    def send_400_response(self, msg: str) -> None:
        is_header = (
            self._header_bytes > self.limits.max_header_bytes or self._header_count > self.limits.max_headers
        )
        self.refuse(431 if is_header else 400, "headers" if is_header else "invalid")

    # -- phases -----------------------------------------------------------------------------------------------

    def _read(self, phase: Phase) -> None:
        self._reading = phase
        self._update()

    def _update(self) -> None:
        phase = self._reading
        is_answered = self.cycle is None or (self.cycle.response_complete and not self.pipeline)
        if phase == Phase.IDLE and not is_answered:
            phase = Phase.ANSWER
        elif phase == Phase.BODY and is_answered and self.cycle is not None:
            phase = Phase.LINGER
        if phase != self.phase:
            self._drains = 0
            self.table.enter(self, phase)

    def expire(self, phase: Phase) -> None:
        if phase == Phase.IDLE and self.transport.get_write_buffer_size() and not self._drains:
            self._drains += 1  # The last answer is still on its way; once more, and no longer.
            self.table.enter(self, phase)
            return
        TIMEOUTS.labels(phase.value).inc()
        if phase in (Phase.HEADERS, Phase.BODY):
            self.refuse(408)
        elif self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()
        self.table.closed(self)

    # -- refusing ---------------------------------------------------------------------------------------------

    def refuse(self, status: int, reason: str = "") -> None:
        """Answers by itself, unless an answer has begun, and closes."""
        if reason:
            REQUESTS_REFUSED.labels(reason).inc()
        cycle = self.cycle
        is_begun = cycle is not None and (cycle.response_started or self._reading == Phase.HEADERS)
        if self.phase != Phase.LINGER and (not is_begun or cycle.response_complete) and not self.pipeline:
            self.transport.write(_plain_answer(status))
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self._give_back()
        self.transport.close()

    def _give_back(self) -> None:
        self.table.give_back(self._reserved_lane, self._reserved_bytes)
        self._reserved_bytes = 0


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    def __init__(self, *args: Any, table: ConnectionTable, **options: Any) -> None:
        super().__init__(*args, **options)
        self.table = table

    def connection_lost(self, exc: Exception | None) -> None:
        self.table.websockets.discard(self)
        super().connection_lost(exc)


async def _crowded(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"Retry-After": "5", "Connection": "close"}
    await PlainTextResponse("Too many connections.", 503, headers=headers)(scope, receive, send)


def _plain_answer(status: int) -> bytes:
    phrase = HTTPStatus(status).phrase
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        "content-type: text/plain; charset=utf-8",
        f"content-length: {len(phrase)}",
        *(["retry-after: 5"] if status == 503 else []),
        "connection: close",
    ]
    return "\r\n".join([*lines, "", phrase]).encode()
