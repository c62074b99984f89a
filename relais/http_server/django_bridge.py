"""The bridge from ASGI to Django: requests that no native route takes run as WSGI in threads, behind bulkheads."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from a2wsgi import WSGIMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from relais.http_server.bulkheads import BULKHEADS, Bulkhead, ClientDisconnected, Overloaded, bulkhead_for
from relais.http_server.request_body import BodyTooLarge, max_body_bytes, read_body

RELEASE_THREAD = "relais.release_thread"
"""The key in the ASGI scope by which a thread releases itself."""
SEND_QUEUE_CHUNKS = 256
"""Chunks of 4 kB that wait for the client. Most pictures have fewer, so that a slow client does not keep the thread."""


class DjangoBridge:
    """Runs Django in threads. Takes no WebSocket, and no request whose body is still arriving.

    Bulkheads isolate what must not delay agents' pages: sign-ins (hashing is slow on purpose), visitors without a
    session, and pictures (sent as slowly as the client reads them).
    """

    def __init__(
        self,
        django: Any,
        *,
        overloaded_response: Callable[[Request, bytes], Response],
        too_large_response: Callable[[Request, int], Response],
    ) -> None:
        self.pools = {name: DjangoThreads(name, django, **bounds) for name, bounds in BULKHEADS.items()}
        self.overloaded_response = overloaded_response
        self.too_large_response = too_large_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await PlainTextResponse("Nothing to connect to here.", 404)(scope, receive, send)
            return
        request = Request(scope, receive)
        with suppress(ClientDisconnect, ClientDisconnected):
            max_bytes = max_body_bytes(request)
            try:
                # Before a thread is taken: a slow sender costs memory, never a thread.
                body = await read_body(request, max_bytes=max_bytes)
            except BodyTooLarge:
                await self.too_large_response(request, max_bytes)(scope, receive, send)
                return
            try:
                await self.pools[bulkhead_for(request)].serve(request, body, receive, send)
            except Overloaded:
                await self.overloaded_response(request, body)(scope, receive, send)


class DjangoThreads:
    """The threads of one bulkhead, in which Django runs."""

    def __init__(self, name: str, django: Any, *, threads: int, max_waiting: int) -> None:
        self.bulkhead = Bulkhead(name, threads=threads, max_waiting=max_waiting)
        self.django = WSGIMiddleware(
            _release_when_done(django), workers=threads, send_queue_size=SEND_QUEUE_CHUNKS
        )

    async def serve(self, request: Request, body: bytes, receive: Receive, send: Send) -> None:
        """Raises Overloaded or ClientDisconnected before Django sees anything of the request."""
        await self.bulkhead.acquire(request.client.host if request.client else "", receive)
        release = _ReleaseOnce(self.bulkhead.release)
        scope = {**_without_underscore_headers(request.scope), RELEASE_THREAD: release.from_thread}
        try:
            await self.django(scope, _receive_body(body), send)  # type: ignore[arg-type]
        finally:
            release()


class _ReleaseOnce:
    """Releases a thread once: from the thread when it is done, else when the request ends without having reached it."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release
        self._loop = asyncio.get_running_loop()
        self._is_released = False

    def __call__(self) -> None:
        if not self._is_released:
            self._is_released = True
            self._release()

    def from_thread(self) -> None:
        with suppress(RuntimeError):  # The loop has closed in the meantime.
            self._loop.call_soon_threadsafe(self)


def _release_when_done(django: Any) -> Any:
    """Release the thread once the response is made; sending it takes as long as the client needs to read it."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        try:
            response = django(environ, start_response)
            try:
                yield from response
            finally:
                getattr(response, "close", lambda: None)()
        finally:
            environ["asgi.scope"][RELEASE_THREAD]()

    return application


def _receive_body(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _without_underscore_headers(scope: Scope) -> Scope:
    """WSGI cannot tell `X_Y` from `X-Y`, so a client could forge a header of the proxy."""
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if b"_" not in name]}
