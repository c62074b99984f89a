"""The endpoint `/live`: a WebSocket, or the same frames as JSON by GET for pages that cannot have one."""

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

from relais.live import auth, change_log, metrics, personal_frames, presence
from relais.live.conversation_subscriptions import ConversationSubscriptions
from relais.live.frames import Frame, as_array
from relais.live.list_presence import ListPresence
from relais.live.list_subscriptions import ListSubscriptions
from relais.live.notify_listener import NotifyListener
from relais.live.pool import LimitedPool, Pool
from relais.live.presence import OnActivity, Presence
from relais.live.protocol import ConversationVersion, LiveSource, Viewer
from relais.live.rendering import Renderer
from relais.live.session_watch import RECHECK_INTERVAL_SECONDS, SessionWatch
from relais.live.socket import CloseCode, LiveSocket, close_websocket
from relais.live.user_presence import UserPresence

log = logging.getLogger(__name__)
POLL_INTERVAL_SECONDS = 5.0
"""How often subscribed conversations are read without any notification, in case one is lost."""
RETRY_PAUSE_SECONDS = 0.5
GZIP = [Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5)]
NO_STORE = {"Cache-Control": "no-store"}
NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
NO_VERSION = ConversationVersion(0, None)
DATABASE_ERRORS = (psycopg.Error, DatabaseError, TimeoutError, OSError)


class SubscriptionRejected(Exception):
    """A socket is closed with `close_code`; a GET is answered with `status`."""

    def __init__(self, close_code: int, status: int, error_code: str, sentence: str) -> None:
        self.close_code, self.status, self.error_code = close_code, status, error_code
        super().__init__(sentence)


class LiveEndpoint:
    """The live updates of one process. The parts below exist while it is `running`."""

    conversations: ConversationSubscriptions
    lists: ListSubscriptions
    list_presence: ListPresence
    presence: Presence
    user_presence: UserPresence
    session_watch: SessionWatch
    listener: NotifyListener
    catch_up_pool: LimitedPool

    def __init__(self, source: LiveSource, *, on_activity: OnActivity = lambda *_: None) -> None:
        """`on_activity` is told what pages report of their readers (see `Presence`)."""
        self.source = source
        self.on_activity = on_activity
        self.routes = [
            WebSocketRoute("/live", self.socket),
            Route("/live", self.poll, methods=["GET"], middleware=GZIP),
        ]

    @property
    def is_listening(self) -> bool:
        """Whether the database's notifications arrive. Otherwise changes are only found by polling."""
        return self.listener.is_listening

    # -- WebSocket ----------------------------------------------------------------------------------------

    async def socket(self, websocket: WebSocket) -> None:
        if not auth.is_same_origin(websocket):
            await websocket.close()
            return
        # Only an accepted socket can carry a close code: to the page, a refused handshake looks like a network failure.
        await websocket.accept()
        try:
            code = await self._serve(websocket)
        except SubscriptionRejected as rejection:
            code = rejection.close_code
        except DATABASE_ERRORS:
            code = CloseCode.TRY_AGAIN_LATER
        if code is not None:
            await close_websocket(websocket, code)

    async def _serve(self, websocket: WebSocket) -> int | None:
        viewer, conversation, version = await self._authorise(websocket)
        socket = LiveSocket(websocket, auth.session_key(websocket), viewer, is_active=not _is_idle(websocket))
        self.session_watch.add(socket)
        socket.on_active = lambda: self.user_presence.on_socket_change(socket)
        try:
            if conversation is None:
                self.user_presence.on_page_opened(socket)
                return await socket.send_until_closed(self.lists.stream(socket, _position(websocket)))
            else:
                self.user_presence.on_socket_change(socket)
                self.conversations.subscribe(conversation, socket, version)
                self.presence.join(socket, conversation)
                since = _since(websocket, version.rev)
                return await socket.send_until_closed(self.conversations.stream(conversation, socket, since))
        finally:
            self.presence.leave(socket)
            self.conversations.unsubscribe(socket)
            self.lists.unsubscribe(socket)
            self.session_watch.remove(socket)
            self.user_presence.on_socket_change(socket)

    # -- polling ------------------------------------------------------------------------------------------

    async def poll(self, request: Request) -> Response:
        try:
            frames = await self._poll_frames(request)
        except SubscriptionRejected as rejection:
            return _error_response(rejection)
        except DATABASE_ERRORS:
            sentence = _("Service momentanément indisponible.")
            return _error_response(
                SubscriptionRejected(CloseCode.TRY_AGAIN_LATER, 503, "unavailable", sentence)
            )
        return Response(as_array(frames), media_type="application/json", headers=NO_STORE)

    async def _poll_frames(self, request: Request) -> list[Frame]:
        viewer, conversation, version = await self._authorise(request)
        self.user_presence.on_poll(viewer.id, is_active=not _is_idle(request))
        if conversation is not None:
            since = _since(request, version.rev)
            frames = self.conversations.frames_since(conversation, since, viewer.language)
            return [frame async for frame in frames]
        return await self.lists.frames_since(viewer, _position(request), self.catch_up_pool)

    # -- authorisation ------------------------------------------------------------------------------------

    async def _authorise(self, connection: HTTPConnection) -> tuple[Viewer, int | None, ConversationVersion]:
        """The viewer, and the conversation asked for; None for lists. Raises SubscriptionRejected."""
        async with self.catch_up_pool.borrow() as db:
            key = auth.session_key(connection)
            viewer = (await auth.viewers_by_session(self.source, db, [key])).get(key)
            if viewer is None:
                raise SubscriptionRejected(CloseCode.SIGNED_OUT, 401, "login", _("Connectez-vous."))
            conversation = _conversation_id(connection)
            if conversation is None:
                return viewer, None, NO_VERSION
            version = (await self.source.versions(db, [conversation])).get(conversation)
        if version is None or not self.source.may_see(viewer, version.scope):
            raise _unknown_conversation()
        return viewer, conversation, version

    async def is_signed_in(self, connection: HTTPConnection) -> bool:
        """Of any reach. False also while the database cannot be asked."""
        try:
            async with self.catch_up_pool.borrow() as db:
                key = auth.session_key(connection)
                return key in await auth.viewers_by_session(self.source, db, [key])
        except DATABASE_ERRORS:
            return False

    # -- background tasks ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self, pool: Pool) -> AsyncIterator[None]:
        renderer = Renderer(self.source)
        self.catch_up_pool = LimitedPool(pool)
        self.conversations = ConversationSubscriptions(self.source, renderer, pool, self.catch_up_pool)
        self.lists = ListSubscriptions(self.source, renderer, pool)
        self.list_presence = ListPresence(self.source, pool, lambda: self.lists.pending)
        self.presence = Presence(
            self.lists.change_log.process,
            pool,
            self.conversations.sockets_of,
            self.list_presence.update,
            self.on_activity,
        )
        self.session_watch = SessionWatch(self.source, pool, on_viewer_changed=self._on_viewer_changed)
        self.user_presence = UserPresence(
            self.lists.change_log.process, pool, sockets=self.session_watch.sockets
        )
        self.listener = NotifyListener(
            {
                self.source.changed_channel: self._on_changed_notify,
                self.source.moved_channel: lambda payload: self.lists.on_moved(
                    *self.source.parse_moved(payload)
                ),
                presence.CHANNEL: self.presence.on_notify,
                "users": self._on_user_notify,
                personal_frames.CHANNEL: self._on_personal_frame,
                "sessions": self.session_watch.on_session_notify,
            },
            on_connect=self._on_connect,
        )
        metrics.observe_sockets(
            is_listening=lambda: self.is_listening,
            lists=lambda: len(self.lists.pending),
            conversations=lambda: len(self.session_watch.sockets) - len(self.lists.pending),
        )
        steps = (
            self.conversations.broadcast_changes,
            self.lists.run_round,
            self.session_watch.recheck_pending,
            self.presence.notify_changes,
            self.presence.expire,
            self.user_presence.store_leases,
            self.list_presence.broadcast,
            self._poll_changes,
            self._recheck_sessions,
        )
        tasks = [
            asyncio.create_task(self.listener.run()),
            *(asyncio.create_task(_repeat(step)) for step in steps),
        ]
        try:
            with change_log.issue_positions_of(self.lists.change_log):
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            renderer.close()

    def _on_changed_notify(self, payload: str) -> None:
        if payload == "*":
            self.conversations.mark_all_changed()
            self.lists.mark_all_changed()
        elif payload:  # Empty: a statement that changed no row notifies as well.
            conversations = [int(conversation) for conversation in payload.split(",")]
            self.conversations.on_notify(conversations)
            self.lists.on_notify(conversations)

    def _on_user_notify(self, payload: str) -> None:
        self.session_watch.on_user_notify(payload)
        self.lists.change_log.record_viewer(int(payload))

    def _on_personal_frame(self, payload: str) -> None:
        """To the list sockets: each page has one."""
        personal = personal_frames.parse(payload)
        users = personal.users - self.conversations.readers(personal.unless_reading)
        for socket in self.lists.pending:
            if socket.viewer.id in users:
                socket.push(personal.frame)

    def _on_connect(self) -> None:
        self.conversations.mark_all_changed()
        self.lists.mark_all_changed()
        self.session_watch.schedule_recheck_of_all()
        self.presence.on_connect()
        self.user_presence.on_connect()

    def _on_viewer_changed(self, socket: LiveSocket) -> None:
        self.conversations.close_if_out_of_reach(socket)
        self.lists.reset(socket)

    async def _poll_changes(self) -> None:
        await asyncio.sleep(POLL_INTERVAL_SECONDS)
        await self.conversations.poll()
        await self.lists.poll()

    async def _recheck_sessions(self) -> None:
        await asyncio.sleep(RECHECK_INTERVAL_SECONDS)
        self.session_watch.schedule_recheck_of_all()


async def _repeat(step: Callable[[], Awaitable[None]]) -> None:
    """Run `step` for ever. A failure (no database, a broken template) is logged, and retried after a pause."""
    while True:
        try:
            await step()
        except DATABASE_ERRORS as error:
            extra = {"step": step.__qualname__, "error": type(error).__name__}
            log.warning("live update loop failed, retrying", extra=extra)
            await asyncio.sleep(RETRY_PAUSE_SECONDS)
        except Exception:
            log.exception("unexpected error in live update loop, retrying", extra={"step": step.__qualname__})
            await asyncio.sleep(RETRY_PAUSE_SECONDS)


def _conversation_id(connection: HTTPConnection) -> int | None:
    value = connection.query_params.get("conversation")
    if value is None:
        return None
    if not NUMBER.fullmatch(value):
        raise _unknown_conversation()
    return int(value)


def _since(connection: HTTPConnection, current_rev: int) -> int:
    """The rev the page has. Without one, only what is new from now on is sent."""
    value = connection.query_params.get("since", str(current_rev))
    if not NUMBER.fullmatch(value):
        raise SubscriptionRejected(
            CloseCode.INVALID_REQUEST, 422, "since", _("« since » doit être un nombre.")
        )
    return int(value)


def _is_idle(connection: HTTPConnection) -> bool:
    """Whether the page connects again by itself, and its user did nothing meanwhile."""
    return "idle" in connection.query_params


def _position(connection: HTTPConnection) -> str:
    """The position of the page's lists, see `change_log`. An invalid one counts as none."""
    return connection.query_params.get("position", "")


def _unknown_conversation() -> SubscriptionRejected:
    sentence = _("Cette conversation n'existe pas, ou n'est pas à votre portée.")
    return SubscriptionRejected(CloseCode.OUT_OF_REACH, 404, "unknown", sentence)


def _error_response(rejection: SubscriptionRejected) -> JSONResponse:
    body = {"success": False, "error": str(rejection), "code": rejection.error_code}
    return JSONResponse(body, rejection.status, headers=NO_STORE)
