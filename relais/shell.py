"""Parts of the shell around Django: whom it answers, how pages get a thread, and the static files."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from a2wsgi import WSGIMiddleware
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from whitenoise import WhiteNoise

PAGE_THREADS = 8
STATIC_THREADS = 2
LARGEST_FORM = 2_000_000
"""Bytes; nothing a page sends is larger, and Django refuses a form above its own bound."""
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])\.?(:[0-9]+)?", re.IGNORECASE)


class LoopbackOnly:
    """Refuses every other Host, so that no foreign name can be pointed at a demo (DNS rebinding)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not self._is_loopback(scope):
            await PlainTextResponse("This demo answers on localhost only.", 400)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    @staticmethod
    def _is_loopback(scope: Scope) -> bool:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        return len(hosts) == 1 and LOOPBACK.fullmatch(hosts[0]) is not None


DATA = ("application/json", "text/plain", "text/xml")


class NothingToGuess:
    """What is native is data: no browser may take it for a page, whatever a client wrote into it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if headers.get("content-type", "").startswith(DATA):
                    headers.setdefault(
                        "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"
                    )
            await send(message)

        await self.app(scope, receive, told)


class Pages:
    """Whatever is not native goes to Django, in a thread; never a socket, never a body that is still arriving."""

    def __init__(self, django: Any) -> None:
        self.django = WSGIMiddleware(django, workers=PAGE_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await PlainTextResponse("Nothing to connect to here.", 404)(scope, receive, send)
            return
        try:
            body = await _whole_body(Request(scope, receive))
        except ClientDisconnect:
            return
        if body is None:
            await PlainTextResponse("This is too large.", 413)(scope, receive, send)
        else:
            await self.django(_as_wsgi_can_take_it(scope), _arrived(body), send)  # type: ignore[arg-type]


async def _whole_body(request: Request) -> bytes | None:
    """A slow sender costs memory, never one of the few threads. None when it is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return None
    return body


def _arrived(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _as_wsgi_can_take_it(scope: Scope) -> Scope:
    """WSGI cannot tell `X_Y` from `X-Y`, by which headers of a proxy could be forged."""
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if b"_" not in name]}


def static_files(folder: Path) -> Route:
    """What was collected there; names with a hash in them are kept by browsers for ever."""
    files = WhiteNoise(_no_such_file, allow_all_origins=False, immutable_file_test=r"\.[0-9a-f]{12}\.")
    files.add_headers_function = _never_guess
    if folder.is_dir():
        files.add_files(folder, "static")
    return Route("/static/{path:path}", _Native(WSGIMiddleware(files, workers=STATIC_THREADS)))


class _Native:
    """An object, so that Starlette takes it as an application and not as a view."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def _never_guess(headers: Any, path: str, url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"


def _no_such_file(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"No such file."]
