"""The address `/live`: a socket where one can be had, else the same frames by GET."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg
from django.db import DatabaseError
from django.utils.translation import gettext as _
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from relais.live import auth, change_log
from relais.live.conversation_subscriptions import Threads
from relais.live.frames import Frame, as_array
from relais.live.list_subscriptions import Lists
from relais.live.notify_listener import Listener
from relais.live.pool import Gate, Pool
from relais.live.protocol import ConversationVersion, LiveSource, Viewer
from relais.live.rendering import Renderer
from relais.live.session_watch import ROUND, Doorkeeper
from relais.live.socket import NOT_UNDERSTOOD, OUT_OF_REACH, SIGNED_OUT, TOO_SLOW, Socket, say_goodbye

log = logging.getLogger(__name__)
LOOK_ROUND = 5.0
"""Seconds after which what is watched is read again, whatever was told."""
AFTER_FAILURE = 0.5
COMPRESSED = [Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5)]
NEVER_KEPT = {"Cache-Control": "no-store"}
NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
NOWHERE = ConversationVersion(0, None)
NO_DATABASE = (psycopg.Error, DatabaseError, TimeoutError, OSError)


class Refused(Exception):
    """A socket is closed with `code`, a GET answered with `status`."""

    def __init__(self, code: int, status: int, word: str, sentence: str) -> None:
        self.code, self.status, self.word = code, status, word
        super().__init__(sentence)


class Live:
    """Everything live of one process. Its parts exist while it is `running`."""

    threads: Threads
    lists: Lists
    doorkeeper: Doorkeeper
    listener: Listener
    gate: Gate

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.routes = [
            WebSocketRoute("/live", self.socket),
            Route("/live", self.poll, methods=["GET"], middleware=COMPRESSED),
        ]

    @property
    def hears(self) -> bool:
        """Whether what happens is told to us as it happens; else we only look round."""
        return self.listener.hears

    # -- the socket ---------------------------------------------------------------------------------------

    async def socket(self, websocket: WebSocket) -> None:
        if not auth.is_same_origin(websocket):
            await websocket.close()
            return
        # Only an open socket can carry a code: a refusal before would look to the page as if the network were down.
        await websocket.accept()
        try:
            code = await self._serve(websocket)
        except Refused as refused:
            code = refused.code
        except NO_DATABASE:
            code = TOO_SLOW
        if code is not None:
            await say_goodbye(websocket, code)

    async def _serve(self, websocket: WebSocket) -> int | None:
        viewer, thread, version = await self._admitted(websocket)
        socket = Socket(websocket, auth.session_key(websocket), viewer)
        self.doorkeeper.enter(socket)
        try:
            if thread is None:
                return await socket.converse(self.lists.frames(socket, _position(websocket)))
            else:
                self.threads.join(thread, socket, version)
                return await socket.converse(
                    self.threads.frames(thread, socket, _since(websocket, version.rev))
                )
        finally:
            self.threads.leave(socket)
            self.lists.leave(socket)
            self.doorkeeper.leave(socket)

    # -- without a socket ---------------------------------------------------------------------------------

    async def poll(self, request: Request) -> Response:
        try:
            frames = await self._frames_now(request)
        except Refused as refused:
            return _refusal(refused)
        except NO_DATABASE:
            return _refusal(Refused(TOO_SLOW, 503, "unavailable", _("Service momentanément indisponible.")))
        return Response(as_array(frames), media_type="application/json", headers=NEVER_KEPT)

    async def _frames_now(self, request: Request) -> list[Frame]:
        viewer, thread, version = await self._admitted(request)
        if thread is not None:
            since = self.threads.since(thread, _since(request, version.rev), viewer.language)
            return [frame async for frame in since]
        return await self.lists.frames_since(viewer, _position(request), self.gate)

    # -- who may ------------------------------------------------------------------------------------------

    async def _admitted(self, connection: HTTPConnection) -> tuple[Viewer, int | None, ConversationVersion]:
        """Who asks, and for which thread, if not for lists. Raises Refused."""
        async with self.gate.lent() as db:
            key = auth.session_key(connection)
            viewer = (await auth.viewers(self.source, db, [key])).get(key)
            if viewer is None:
                raise Refused(SIGNED_OUT, 401, "login", _("Connectez-vous."))
            thread = _thread(connection)
            if thread is None:
                return viewer, None, NOWHERE
            version = (await self.source.versions(db, [thread])).get(thread)
        if version is None or not self.source.may_see(viewer, version.scope):
            raise _unknown()
        return viewer, thread, version

    # -- what keeps it going ------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self, pool: Pool) -> AsyncIterator[None]:
        renderer = Renderer(self.source)
        self.gate = Gate(pool)
        self.threads = Threads(self.source, renderer, pool, self.gate)
        self.lists = Lists(self.source, renderer, pool)
        self.doorkeeper = Doorkeeper(self.source, pool, changed=self._viewer_changed)
        self.listener = Listener(
            {
                self.source.changed_channel: self._hear_changed,
                self.source.moved_channel: lambda payload: self.lists.hear_moved(
                    *self.source.parse_moved(payload)
                ),
                "users": self._hear_user,
                "sessions": self.doorkeeper.hear_session,
            },
            back=self._hear_all,
        )
        steps = (self.threads.tell, self.lists.tell, self.doorkeeper.ask, self._look_round, self._ask_all)
        tasks = [
            asyncio.create_task(self.listener.run()),
            *(asyncio.create_task(_ever(step)) for step in steps),
        ]
        try:
            with change_log.given_out(self.lists.log):
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            renderer.close()

    def _hear_changed(self, payload: str) -> None:
        if payload == "*":
            self.threads.hear_all()
            self.lists.hear_all()
        elif payload:  # A statement that changed no row is told of as well.
            threads = [int(thread) for thread in payload.split(",")]
            self.threads.hear(threads)
            self.lists.hear(threads)

    def _hear_user(self, payload: str) -> None:
        self.doorkeeper.hear_user(payload)
        self.lists.log.note_viewer(int(payload))

    def _hear_all(self) -> None:
        self.threads.hear_all()
        self.lists.hear_all()
        self.doorkeeper.suspect_all()

    def _viewer_changed(self, socket: Socket) -> None:
        self.threads.look_again(socket)
        self.lists.begin_again(socket)

    async def _look_round(self) -> None:
        await asyncio.sleep(LOOK_ROUND)
        await self.threads.look_round()
        await self.lists.look_round()

    async def _ask_all(self) -> None:
        await asyncio.sleep(ROUND)
        self.doorkeeper.suspect_all()


async def _ever(step: Callable[[], Awaitable[None]]) -> None:
    """Again and again; a failure (the database is away, a template is broken) costs a moment and is logged."""
    while True:
        try:
            await step()
        except NO_DATABASE as error:
            log.warning("live waits", extra={"step": step.__qualname__, "error": type(error).__name__})
            await asyncio.sleep(AFTER_FAILURE)
        except Exception:
            log.exception("live failed", extra={"step": step.__qualname__})
            await asyncio.sleep(AFTER_FAILURE)


def _thread(connection: HTTPConnection) -> int | None:
    given = connection.query_params.get("conversation")
    if given is None:
        return None
    if not NUMBER.fullmatch(given):
        raise _unknown()
    return int(given)


def _since(connection: HTTPConnection, now: int) -> int:
    """The rev the page has; without one, it wants what comes from now on."""
    given = connection.query_params.get("since", str(now))
    if not NUMBER.fullmatch(given):
        raise Refused(NOT_UNDERSTOOD, 422, "since", _("« since » doit être un nombre."))
    return int(given)


def _position(connection: HTTPConnection) -> str:
    """Where the page's lists stand; what is none of ours is as good as none."""
    return connection.query_params.get("position", "")


def _unknown() -> Refused:
    return Refused(
        OUT_OF_REACH, 404, "unknown", _("Cette conversation n'existe pas, ou n'est pas à votre portée.")
    )


def _refusal(refused: Refused) -> JSONResponse:
    answer = {"success": False, "error": str(refused), "code": refused.word}
    return JSONResponse(answer, refused.status, headers=NEVER_KEPT)
