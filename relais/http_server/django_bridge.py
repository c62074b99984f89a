"""The bridge from ASGI to Django: requests that no native route takes run as WSGI in threads, behind bulkheads."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from a2wsgi import WSGIMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from relais.http_server.bulkheads import BULKHEADS, Bulkhead, ClientDisconnected, Overloaded, bulkhead_for
from relais.http_server.request_body import (
    MAX_STREAMED_BYTES,
    BodyTooLarge,
    is_streamed_upload,
    max_body_bytes,
    read_body,
)
from relais.http_server.upload_spool import READ_BYTES, InvalidMultipart, NoSpoolSpace, UploadSpool

RELEASE_THREAD = "relais.release_thread"
"""The key in the ASGI scope by which a thread releases itself."""
UPLOAD_REFUSAL = "relais.upload_refusal"
"""The key in the ASGI scope of why an upload was not read to its end."""
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
        spool: UploadSpool | None = None,
        is_signed_in: Callable[[Request], Awaitable[bool]] | None = None,
    ) -> None:
        """`spool` takes the bodies with files of users for whom `is_signed_in` is true."""
        self.pools = {name: DjangoThreads(name, django, **bounds) for name, bounds in BULKHEADS.items()}
        self.overloaded_response = overloaded_response
        self.too_large_response = too_large_response
        self.spool = spool
        self.is_signed_in = is_signed_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await PlainTextResponse("Nothing to connect to here.", 404)(scope, receive, send)
            return
        request = Request(scope, receive)
        with suppress(ClientDisconnect, ClientDisconnected):
            content_type = request.headers.get("content-type", "")
            if self.spool and is_streamed_upload(request.method, request.url.path, content_type):
                await self._serve_upload(self.spool, request, receive, send)
                return
            max_bytes = max_body_bytes(request)
            try:
                # Before a thread is taken: a slow sender costs memory, never a thread.
                body = await read_body(request, max_bytes=max_bytes)
            except BodyTooLarge:
                await self.too_large_response(request, max_bytes)(scope, receive, send)
                return
            try:
                await self.pools[bulkhead_for(request)].serve(request, _receive_body(body), receive, send)
            except Overloaded:
                await self.overloaded_response(request, body)(scope, receive, send)

    async def _serve_upload(self, spool: UploadSpool, request: Request, receive: Receive, send: Send) -> None:
        pool = self.pools[bulkhead_for(request)]
        if self.is_signed_in is None or not await self.is_signed_in(request):
            # Nothing is read of what strangers upload. Without a body, Django answers as to any request of theirs.
            try:
                await pool.serve(_with_form_body(request, b""), _receive_body(b""), receive, send)
            except Overloaded:
                await self.overloaded_response(request, b"")(request.scope, receive, send)
            return
        try:
            body = await spool.read(request)
        except BodyTooLarge:
            await self.too_large_response(request, MAX_STREAMED_BYTES)(request.scope, receive, send)
            return
        except InvalidMultipart:
            await PlainTextResponse("Invalid multipart body.", 400)(request.scope, receive, send)
            return
        except NoSpoolSpace:
            await self.overloaded_response(request, b"")(request.scope, receive, send)
            return
        try:
            if body.refusal:
                form = _with_form_body(request, body.form_body)
                form.scope[UPLOAD_REFUSAL] = body.refusal
                await pool.serve(form, _receive_body(body.form_body), receive, send)
            else:
                await pool.serve(request, _receive_file(body.file), receive, send)
        except Overloaded:
            await self.overloaded_response(request, b"")(request.scope, receive, send)
        finally:
            spool.release(body)


class DjangoThreads:
    """The threads of one bulkhead, in which Django runs."""

    def __init__(self, name: str, django: Any, *, threads: int, max_waiting: int) -> None:
        self.bulkhead = Bulkhead(name, threads=threads, max_waiting=max_waiting)
        self.django = WSGIMiddleware(
            _release_when_done(django), workers=threads, send_queue_size=SEND_QUEUE_CHUNKS
        )

    async def serve(self, request: Request, body: Receive, receive: Receive, send: Send) -> None:
        """Raises Overloaded or ClientDisconnected before Django sees anything of the request."""
        await self.bulkhead.acquire(request.client.host if request.client else "", receive)
        release = _ReleaseOnce(self.bulkhead.release)
        scope = {**_without_underscore_headers(request.scope), RELEASE_THREAD: release.from_thread}
        try:
            await self.django(scope, body, send)  # type: ignore[arg-type]
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


def _receive_file(file: BinaryIO) -> Receive:
    async def receive() -> Message:
        chunk = file.read(READ_BYTES)
        return {"type": "http.request", "body": chunk, "more_body": len(chunk) == READ_BYTES}

    return receive


def _with_form_body(request: Request, body: bytes) -> Request:
    """The same request as a form without files."""
    headers = [
        (name, value)
        for name, value in request.scope["headers"]
        if name not in (b"content-type", b"content-length", b"transfer-encoding")
    ]
    headers += [
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-length", str(len(body)).encode()),
    ]
    return Request({**request.scope, "headers": headers}, request.receive)


def _without_underscore_headers(scope: Scope) -> Scope:
    """WSGI cannot tell `X_Y` from `X-Y`, so a client could forge a header of the proxy."""
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if b"_" not in name]}
