"""Parts of the shell around Django: whom it answers, how pages get a thread, and the static files."""

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from a2wsgi import WSGIMiddleware
from django.conf import settings
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from whitenoise import WhiteNoise

from relais.page_lanes import ClientGone, Lane, Overloaded
from relais.web import overload

HASHING_THREADS = max(1, min(2, (os.cpu_count() or 1) // 2))
"""Hashing a password takes a whole processor: one has to stay for everything else."""
PAGE_LANES = {
    "pages": {"threads": 5, "max_waiting": 200},
    "anonymous": {"threads": 2, "max_waiting": 64},
    "sign_in": {"threads": HASHING_THREADS, "max_waiting": 40},
    "media": {"threads": 2, "max_waiting": 64},
}
"""More threads would not serve more pages, since one computes at a time; they would hold up the loop and the hooks.
Together they are fewer than the connections to the database, so that hooks always find one; see `settings.py`.
As many may wait as are served within some ten seconds: a whole team that clicks at once is no flood."""
HASHING = ("/accounts/login/", "/accounts/password/")
RELEASE = "relais.release_thread"
MAX_CHUNKS_WAITING_TO_LEAVE = 256
"""Of 4 kB in a picture: more than most have, so that a slow client does not keep the thread."""
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
    """Whatever is not native goes to Django, in a thread; never a socket, never a body that is still arriving.

    Lanes keep apart what must not hold up the pages of those who work: sign-ins, whose hashes take long on purpose,
    visitors without a session, and pictures, which leave as slowly as the client takes them.
    """

    def __init__(self, django: Any) -> None:
        self.lanes = {name: PageLane(name, django, **bounds) for name, bounds in PAGE_LANES.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await PlainTextResponse("Nothing to connect to here.", 404)(scope, receive, send)
            return
        request = Request(scope, receive)
        with suppress(ClientDisconnect, ClientGone):
            body = await _whole_body(request)
            if body is None:
                await PlainTextResponse("This is too large.", 413)(scope, receive, send)
                return
            try:
                await self.lanes[_lane_of(request)].serve(request, body, receive, send)
            except Overloaded:
                await overload.response(request, body)(scope, receive, send)


class PageLane:
    """Django in a few threads of its own, and whoever waits for one."""

    def __init__(self, name: str, django: Any, *, threads: int, max_waiting: int) -> None:
        self.lane = Lane(name, threads=threads, max_waiting=max_waiting)
        self.django = WSGIMiddleware(
            _releasing(django), workers=threads, send_queue_size=MAX_CHUNKS_WAITING_TO_LEAVE
        )

    async def serve(self, request: Request, body: bytes, receive: Receive, send: Send) -> None:
        """Raises Overloaded or ClientGone before anything of it is carried out."""
        await self.lane.acquire(request.client.host if request.client else "", receive)
        release = _Once(self.lane.release)
        scope = {**_as_wsgi_can_take_it(request.scope), RELEASE: release.soon}
        try:
            await self.django(scope, _arrived(body), send)  # type: ignore[arg-type]
        finally:
            release()


class _Once:
    """Gives a thread back once, either by itself, when it is free, or when the request ends without having met it."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release
        self._loop = asyncio.get_running_loop()
        self._is_done = False

    def __call__(self) -> None:
        if not self._is_done:
            self._is_done = True
            self._release()

    def soon(self) -> None:
        """For the thread itself."""
        with suppress(RuntimeError):  # The loop has closed in the meantime.
            self._loop.call_soon_threadsafe(self)


def _releasing(django: Any) -> Any:
    """The thread is free when the page is made: its answer may leave late, or as slowly as the client takes it."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        try:
            answer = django(environ, start_response)
            try:
                yield from answer
            finally:
                getattr(answer, "close", lambda: None)()
        finally:
            environ["asgi.scope"][RELEASE]()

    return application


def _lane_of(request: Request) -> str:
    path = request.url.path
    if request.method == "POST" and path.startswith(HASHING):
        return "sign_in"
    if settings.SESSION_COOKIE_NAME not in request.cookies:
        return "anonymous"
    return "media" if path.startswith("/dashboard/media/") else "pages"


async def _whole_body(request: Request) -> bytes | None:
    """A slow sender costs memory, never one of the few threads. None when it is too large."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST_FORM:
            return None
    return b"".join(chunks)


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
    return Route(
        "/static/{path:path}",
        _Native(WSGIMiddleware(files, workers=STATIC_THREADS, send_queue_size=MAX_CHUNKS_WAITING_TO_LEAVE)),
    )


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
