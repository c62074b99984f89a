"""Limits of connections, against denial of service: how many there may be, and what time and memory each may take.

Time and bytes of a request are bounded before anything of it is known (slowloris). When the table of connections is
full, the one that has been idle longest is evicted; the last places are reserved for hooks. WebSockets have no time
limit: those without a session are refused at once.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from relais.http_server import metrics
from relais.http_server.request_body import MAX_STREAMED_BYTES, is_streamed_upload

MAX_CONNECTIONS = 4096
RESERVED_DESCRIPTORS = 256
"""For the database, files and logs."""
MAX_DESCRIPTORS = 65_536
SWEEP_SECONDS = 1.0
HOOK_PATH_PREFIX = b"/api/"
"""Hooks and health: the last places are reserved for them, and their bodies have their own budget of memory."""
LOOPBACK_ADDRESSES = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


class Phase(StrEnum):
    IDLE = "idle"
    HEADERS = "headers"
    BODY = "body"
    UPLOAD = "upload"
    """A body with files, which goes to disk."""
    LINGER = "linger"
    """The request was answered before its body had arrived: the rest is discarded for a moment."""
    RESPONSE = "response"
    """The application is at work."""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    max_connections: int = MAX_CONNECTIONS
    hook_reserve: int = 256
    max_per_address: int = 256
    """Without WebSockets. Not applied to this machine, whose proxy stands for all clients."""
    idle_seconds: float = 30.0
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    upload_seconds: float = 600.0
    """Ten photos over a slow mobile network."""
    linger_seconds: float = 2.0
    write_seconds: float = 60.0
    """How long a client may read nothing of a response."""
    evictable_body_seconds: float = 5.0
    max_header_bytes: int = 32 * 1024
    max_headers: int = 100
    max_request_bytes: int = 4 * 1024 * 1024
    max_pipelined: int = 16
    small_body_bytes: int = 32 * 1024
    """Bodies up to here are bounded by the number of connections. What exceeds it counts towards the budget below."""
    max_large_body_bytes: int = 32 * 1024 * 1024
    """The budget of all bodies together; hooks have one, everything else has another."""


def limits_for_this_process() -> ConnectionLimits:
    """Raise the limit of open descriptors (RLIMIT_NOFILE) as far as allowed, and stay below it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    room = MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else soft - RESERVED_DESCRIPTORS
    most = max(64, min(MAX_CONNECTIONS, room))
    return ConnectionLimits(max_connections=most, hook_reserve=min(256, most // 8))


def uvicorn_protocols(limits: ConnectionLimits) -> dict[str, Any]:
    """The options of uvicorn's configuration that apply these limits."""
    table = ConnectionTable(limits)
    return {
        "http": partial(LimitedHttpProtocol, table=table),
        "ws": partial(LimitedWebSocketProtocol, table=table),
        # Longer than ours: uvicorn's own timer must never fire, since every byte that arrives stops it.
        "timeout_keep_alive": int(limits.idle_seconds * 4) + 1,
    }


class ConnectionTable:
    """All connections of a server by phase, the oldest first. Needs no lock: only one event loop uses it."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.http: set[LimitedHttpProtocol] = set()
        self.websockets: set[LimitedWebSocketProtocol] = set()
        self.large_body_bytes = {"hooks": 0, "others": 0}
        self._phases: dict[Phase, OrderedDict[LimitedHttpProtocol, float]] = {
            phase: OrderedDict() for phase in Phase
        }
        self._by_address: Counter[str] = Counter()
        self._timeout_seconds = {
            Phase.IDLE: limits.idle_seconds,
            Phase.HEADERS: limits.header_seconds,
            Phase.BODY: limits.body_seconds,
            Phase.UPLOAD: limits.upload_seconds,
            Phase.LINGER: limits.linger_seconds,
        }
        self._sweeping = False
        metrics.CONNECTIONS.labels("http").set_function(lambda: len(self.http))
        metrics.CONNECTIONS.labels("websocket").set_function(lambda: len(self.websockets))
        for budget in self.large_body_bytes:
            metrics.BODY_BYTES.labels(budget).set_function(
                lambda budget=budget: self.large_body_bytes[budget]  # type: ignore[misc]
            )

    @property
    def count(self) -> int:
        return len(self.http) + len(self.websockets)

    @property
    def is_reserved_for_hooks(self) -> bool:
        """Whether only places reserved for hooks are left: other requests are refused."""
        return self.count > self.limits.max_connections - self.limits.hook_reserve

    # -- opening and closing ----------------------------------------------------------------------------------

    def add(self, connection: LimitedHttpProtocol) -> None:
        self.http.add(connection)
        self._by_address[connection.address] += 1
        self.enter_phase(connection, Phase.IDLE)
        self._make_room(connection)
        if not self._sweeping:
            self._sweeping = True
            connection.loop.call_later(SWEEP_SECONDS, self._sweep, connection.loop)

    def remove(self, connection: LimitedHttpProtocol) -> None:
        if connection in self.http:
            self.http.discard(connection)
            self._phases[connection.phase].pop(connection, None)
            self._by_address[connection.address] -= 1
            if not self._by_address[connection.address]:
                del self._by_address[connection.address]

    def upgrade(self, connection: LimitedHttpProtocol, websocket: LimitedWebSocketProtocol) -> None:
        self.remove(connection)
        self.websockets.add(websocket)

    def enter_phase(self, connection: LimitedHttpProtocol, phase: Phase) -> None:
        if connection in self.http:
            self._phases[connection.phase].pop(connection, None)
            connection.phase = phase
            self._phases[phase][connection] = connection.loop.time()

    # -- eviction ---------------------------------------------------------------------------------------------

    def _make_room(self, newcomer: LimitedHttpProtocol) -> None:
        address = newcomer.address
        is_over = (
            address not in LOOPBACK_ADDRESSES and self._by_address[address] > self.limits.max_per_address
        )
        if is_over and not self._evict(newcomer, address):
            self._refuse(newcomer, "address")
        elif (
            self.is_reserved_for_hooks
            and not self._evict(newcomer)
            and self.count > self.limits.max_connections
        ):
            self._refuse(newcomer, "total")

    def _refuse(self, newcomer: LimitedHttpProtocol, reason: str) -> None:
        metrics.CONNECTIONS_REFUSED.labels(reason).inc()
        self._drop(newcomer)

    def _evict(self, newcomer: LimitedHttpProtocol, address: str | None = None) -> bool:
        """Close the connection that has been idle longest, else the one that has been sending its request longest."""
        for phase in (Phase.IDLE, Phase.HEADERS, Phase.LINGER, Phase.BODY, Phase.UPLOAD):
            for connection in self._evictable(phase):
                if connection is not newcomer and address in (None, connection.address):
                    metrics.CONNECTIONS_EVICTED.labels(phase.value).inc()
                    self._drop(connection)
                    return True
        return False

    def _evictable(self, phase: Phase) -> Iterator[LimitedHttpProtocol]:
        for connection, since in self._phases[phase].items():
            if (
                phase in (Phase.BODY, Phase.UPLOAD)
                and connection.loop.time() - since < self.limits.evictable_body_seconds
            ):
                return
            if not connection.transport.get_write_buffer_size():
                yield connection

    def _drop(self, connection: LimitedHttpProtocol) -> None:
        self.remove(connection)
        connection.transport.abort()

    # -- timeouts ---------------------------------------------------------------------------------------------

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for phase, seconds in self._timeout_seconds.items():
            for connection, since in list(self._phases[phase].items()):
                if now - since < seconds:
                    break
                connection.expire(phase)
        self._sweeping = bool(self.http)
        if self._sweeping:
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)

    # -- memory ---------------------------------------------------------------------------------------------

    def reserve_body_bytes(self, budget: str, count: int) -> bool:
        if self.large_body_bytes[budget] + count > self.limits.max_large_body_bytes:
            return False
        self.large_body_bytes[budget] += count
        return True

    def release_body_bytes(self, budget: str, count: int) -> None:
        self.large_body_bytes[budget] -= count


class _TooManyHeaders(Exception):
    """Raised through the parser, to stop it."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits: the bytes it reads are counted, and each phase of a request has a timeout."""

    def __init__(self, *args: Any, table: ConnectionTable, **options: Any) -> None:
        super().__init__(*args, **options)
        self.table = table
        self.limits = table.limits
        self.phase = Phase.IDLE
        self.address = ""
        self._receive_phase = Phase.IDLE
        """Idle, headers or body: of the request being received, whichever one is being answered meanwhile."""
        self._started_in_this_chunk = 0
        self._header_count = self._header_bytes = self._header_chunk_bytes = self._request_bytes = 0
        self._budget = self._reserved_budget = "others"
        self._body_bytes = self._reserved_bytes = 0
        self._is_upload = False
        self._max_request_bytes = self.limits.max_request_bytes
        self._write_timer: asyncio.TimerHandle | None = None
        self._drain_extensions = 0

    # -- the connection -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = (get_remote_addr(transport) or ("", 0))[0]
        self.table.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.table.remove(self)
        self._release_body_bytes()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        previous_phase = self._receive_phase
        if previous_phase == Phase.IDLE:
            self._receive(Phase.HEADERS)
            self._header_chunk_bytes = 0
        self._started_in_this_chunk = 0
        self._request_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if (
            self._receive_phase == Phase.HEADERS
            and previous_phase not in (Phase.BODY, Phase.UPLOAD)
            and self._started_in_this_chunk <= 1
        ):
            self._header_chunk_bytes += len(data)
            if self._header_chunk_bytes > self.limits.max_header_bytes:
                self.reject(431, "headers")
        elif self._request_bytes > self._max_request_bytes:
            self.reject(413, "size")

    def handle_websocket_upgrade(self) -> None:
        if self.table.is_reserved_for_hooks:
            self.reject(503, "crowded")
            return
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if isinstance(protocol, LimitedWebSocketProtocol):
            self.table.upgrade(self, protocol)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_write_timer()
        self._write_timer = self.loop.call_later(self.limits.write_seconds, self._write_stalled)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_write_timer()

    def _write_stalled(self) -> None:
        metrics.TIMEOUTS.labels("write").inc()
        self.transport.abort()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # -- callbacks of the parser ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._started_in_this_chunk += 1
        self._header_count = self._header_bytes = self._request_bytes = 0
        self._receive(Phase.HEADERS)

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
        is_hook = self.url.startswith(HOOK_PATH_PREFIX)
        self._budget = "hooks" if is_hook else "others"
        is_refused = self.table.is_reserved_for_hooks and not is_hook
        self.app = _too_many_connections if is_refused else self.config.loaded_app
        if is_refused:
            metrics.REQUESTS_REFUSED.labels("crowded").inc()
        self._body_bytes = 0
        self._is_upload = self._is_streamed_upload()
        self._max_request_bytes = (
            MAX_STREAMED_BYTES + self.limits.max_header_bytes
            if self._is_upload
            else self.limits.max_request_bytes
        )
        self._receive_phase = Phase.UPLOAD if self._is_upload else Phase.BODY
        super().on_headers_complete()
        self._update_phase()
        if len(self.pipeline) > self.limits.max_pipelined:
            self.reject(503, "pipelined")

    def _is_streamed_upload(self) -> bool:
        content_type = next((value for name, value in self.headers if name == b"content-type"), b"")
        path = self.url.partition(b"?")[0].decode("latin-1")
        return is_streamed_upload(
            self.parser.get_method().decode("latin-1"), path, content_type.decode("latin-1")
        )

    def on_body(self, body: bytes) -> None:
        if self.transport.is_closing():
            return
        self._body_bytes += len(body)
        large = min(len(body), self._body_bytes - self.limits.small_body_bytes)
        # An upload holds no more than uvicorn reads ahead: the application takes it from there to disk.
        if large > 0 and not self._is_upload and not self.cycle.response_complete:
            if not self._reserved_bytes:
                self._reserved_budget = self._budget
            if not self.table.reserve_body_bytes(self._reserved_budget, large):
                self.reject(503, "memory")
                return
            self._reserved_bytes += large
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._receive_phase = Phase.IDLE
        self._update_phase()

    def on_response_complete(self) -> None:
        if not self.pipeline:
            self._release_body_bytes()
        super().on_response_complete()
        self._update_phase()

    def send_400_response(self, msg: str) -> None:
        is_header = (
            self._header_bytes > self.limits.max_header_bytes or self._header_count > self.limits.max_headers
        )
        self.reject(431 if is_header else 400, "headers" if is_header else "invalid")

    # -- phases -----------------------------------------------------------------------------------------------

    def _receive(self, phase: Phase) -> None:
        self._receive_phase = phase
        self._update_phase()

    def _update_phase(self) -> None:
        phase = self._receive_phase
        is_answered = self.cycle is None or (self.cycle.response_complete and not self.pipeline)
        if phase == Phase.IDLE and not is_answered:
            phase = Phase.RESPONSE
        elif phase in (Phase.BODY, Phase.UPLOAD) and is_answered and self.cycle is not None:
            phase = Phase.LINGER
        if phase != self.phase:
            self._drain_extensions = 0
            self.table.enter_phase(self, phase)

    def expire(self, phase: Phase) -> None:
        if phase == Phase.IDLE and self.transport.get_write_buffer_size() and not self._drain_extensions:
            self._drain_extensions += (
                1  # The last response is still being sent: wait once more, and no longer.
            )
            self.table.enter_phase(self, phase)
            return
        metrics.TIMEOUTS.labels(phase.value).inc()
        if phase in (Phase.HEADERS, Phase.BODY, Phase.UPLOAD):
            self.reject(408)
        elif self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()
        self.table.remove(self)

    # -- rejecting --------------------------------------------------------------------------------------------

    def reject(self, status: int, reason: str = "") -> None:
        """Send a response without the application, unless one has started, and close."""
        if reason:
            metrics.REQUESTS_REFUSED.labels(reason).inc()
        cycle = self.cycle
        is_started = cycle is not None and (cycle.response_started or self._receive_phase == Phase.HEADERS)
        if self.phase != Phase.LINGER and (not is_started or cycle.response_complete) and not self.pipeline:
            self.transport.write(_plain_response(status))
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self._release_body_bytes()
        self.transport.close()

    def _release_body_bytes(self) -> None:
        self.table.release_body_bytes(self._reserved_budget, self._reserved_bytes)
        self._reserved_bytes = 0


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    def __init__(self, *args: Any, table: ConnectionTable, **options: Any) -> None:
        super().__init__(*args, **options)
        self.table = table

    def connection_lost(self, exc: Exception | None) -> None:
        self.table.websockets.discard(self)
        super().connection_lost(exc)


async def _too_many_connections(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"Retry-After": "5", "Connection": "close"}
    await PlainTextResponse("Too many connections.", 503, headers=headers)(scope, receive, send)


def _plain_response(status: int) -> bytes:
    phrase = HTTPStatus(status).phrase
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        "content-type: text/plain; charset=utf-8",
        f"content-length: {len(phrase)}",
        *(["retry-after: 5"] if status == 503 else []),
        "connection: close",
    ]
    return "\r\n".join([*lines, "", phrase]).encode()
