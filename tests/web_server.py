"""The web process of Relais in a thread on a free port, and clients of its live sockets."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import requests
import uvicorn
from django.conf import settings
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

TIMEOUT_SECONDS = 30
UNASKED = ("viewers", "agent-state")
"""Kinds of frames that come by themselves: who looks at the rows, each second, and the user's own state."""


class SocketClient:
    """A browser's side of one live socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def next_frame(self, *, also: str = "") -> dict[str, Any]:
        """The next frame. Those that come by themselves (see `UNASKED`) are skipped unless `also` names their kind."""
        while True:
            frame = json.loads(self.connection.recv(timeout=TIMEOUT_SECONDS))
            if frame["kind"] not in UNASKED or frame["kind"] == also:
                return frame

    def wait_for(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The first frame of that kind with those fields. Skips the frames before it."""
        return self.frames_until(kind, **fields)[-1]

    def frames_until(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        frames = [self.next_frame(also=kind)]
        while not (frames[-1]["kind"] == kind and fields.items() <= frames[-1].items()):
            frames.append(self.next_frame(also=kind))
        return frames

    def close_code(self) -> int | None:
        """Read until the server closes."""
        try:
            while True:
                self.next_frame()
        except ConnectionClosed as closed:
            return closed.rcvd and closed.rcvd.code


class WebServer:
    def __init__(self, **options: Any) -> None:
        from relais.asgi import make_application

        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        # A small buffer fills up soon when a client does not read.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.application = make_application()
        self.live = self.application.state.live
        config = uvicorn.Config(self.application, log_config=None, timeout_graceful_shutdown=2, **options)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.open_sockets = ExitStack()

    def __enter__(self) -> WebServer:
        self.thread.start()
        wait_until(lambda: self.server.started and self.live.is_listening)
        return self

    def __exit__(self, *error: object) -> None:
        self.open_sockets.close()
        self.server.should_exit = True
        self.thread.join()

    def open_socket(
        self, user: Any = None, path: str = "/live", *, cookie: str | None = None, **options: Any
    ) -> SocketClient:
        session = cookie if cookie is not None else session_cookie(user)
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}", **options.pop("headers", {})}
        connection = connect(
            f"ws://127.0.0.1:{self.port}{path}", additional_headers=headers, compression=None, **options
        )
        return SocketClient(self.open_sockets.enter_context(connection))

    def watch_conversation(
        self, conversation: Any, user: Any, *, since: int | None = None, **options: Any
    ) -> SocketClient:
        query = "" if since is None else f"&since={since}"
        return self.open_socket(user, f"/live?conversation={conversation.pk}{query}", **options)

    def close_all_sockets(self, code: int) -> None:
        for live_socket in list(self.live.session_watch.sockets):
            live_socket._close_code.get_loop().call_soon_threadsafe(live_socket.close_soon, code)

    def connect_with_small_buffer(self) -> socket.socket:
        """A TCP connection with a receive buffer of 4 kB."""
        connection = socket.socket()
        connection.settimeout(TIMEOUT_SECONDS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", self.port))
        return connection

    @contextmanager
    def slow_socket(self, path: str, user: Any) -> Iterator[socket.socket]:
        """A live socket whose client buffers next to nothing until the test reads from it."""
        with self.connect_with_small_buffer() as connection:
            headers = {
                "Host": "desk.example",
                "Cookie": f"{settings.SESSION_COOKIE_NAME}={session_cookie(user)}",
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            }
            lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            connection.sendall("\r\n".join(lines).encode())
            yield connection

    def get(self, path: str, user: Any = None) -> requests.Response:
        cookies = {settings.SESSION_COOKIE_NAME: session_cookie(user)} if user else {}
        return requests.get(self.url + path, cookies=cookies, timeout=TIMEOUT_SECONDS)


@pytest.fixture
def web_server(transactional_db: None) -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def second_web_server(transactional_db: None) -> Iterator[WebServer]:
    """Another web process on the same database, with its own connection pool and its own LISTEN connection."""
    with WebServer() as server:
        yield server


def session_cookie(user: Any) -> str:
    """The cookie of a new session of the user; empty without a user."""
    from django.test import Client

    if user is None:
        return ""
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def rejected_status(open_socket: Callable[[], object]) -> int:
    """The HTTP status that a refused WebSocket handshake is answered with."""
    try:
        open_socket()
    except InvalidStatus as error:
        return error.response.status_code
    raise AssertionError("the handshake was accepted")


def wait_until(condition: Callable[[], object], seconds: float = TIMEOUT_SECONDS) -> None:
    event = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        event.wait(0.01)
    raise AssertionError("it did not happen in time")
