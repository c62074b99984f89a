"""A desk that runs while a test looks at it: the whole shell on a port of its own, and pages that hold its sockets."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import requests
import uvicorn
from django.conf import settings
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

PATIENCE = 10


class Page:
    """A browser's side of one socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def next(self) -> dict[str, Any]:
        return json.loads(self.connection.recv(timeout=PATIENCE))

    def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The first frame of that kind, and with those fields, whatever comes before it."""
        while True:
            frame = self.next()
            if frame["kind"] == kind and fields.items() <= frame.items():
                return frame

    def frames_until(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        frames = [self.next()]
        while not (frames[-1]["kind"] == kind and fields.items() <= frames[-1].items()):
            frames.append(self.next())
        return frames

    def close_code(self) -> int | None:
        """Reads on until the other side closes."""
        try:
            while True:
                self.next()
        except ConnectionClosed as closed:
            return closed.rcvd and closed.rcvd.code


class Desk:
    def __init__(self, **options: Any) -> None:
        from relais.asgi import make_application

        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        # Small, so that a page that does not read is noticed soon.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.application = make_application()
        self.live = self.application.state.live
        config = uvicorn.Config(self.application, log_config=None, timeout_graceful_shutdown=2, **options)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.left = ExitStack()

    def __enter__(self) -> Desk:
        self.thread.start()
        wait_until(lambda: self.server.started and self.live.hears)
        return self

    def __exit__(self, *error: object) -> None:
        self.left.close()
        self.server.should_exit = True
        self.thread.join()

    def page(
        self, user: Any = None, path: str = "/live", *, cookie: str | None = None, **options: Any
    ) -> Page:
        session = cookie if cookie is not None else signed_in(user)
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}", **options.pop("headers", {})}
        connection = connect(
            f"ws://127.0.0.1:{self.port}{path}", additional_headers=headers, compression=None, **options
        )
        return Page(self.left.enter_context(connection))

    def look_at(self, conversation: Any, user: Any, *, since: int | None = None, **options: Any) -> Page:
        wanted = "" if since is None else f"&since={since}"
        return self.page(user, f"/live?conversation={conversation.pk}{wanted}", **options)

    def ends_all_sockets(self, code: int) -> None:
        for one in list(self.live.doorkeeper.inside):
            one._end.get_loop().call_soon_threadsafe(one.end, code)

    def narrow(self) -> socket.socket:
        """A connection with next to no room for what is not read."""
        plain = socket.socket()
        plain.settimeout(PATIENCE)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect(("127.0.0.1", self.port))
        return plain

    @contextmanager
    def unread(self, path: str, user: Any) -> Iterator[socket.socket]:
        """A socket whose other end takes next to nothing until someone reads from it."""
        with self.narrow() as plain:
            headers = {
                "Host": "desk.example",
                "Cookie": f"{settings.SESSION_COOKIE_NAME}={signed_in(user)}",
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            }
            lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            plain.sendall("\r\n".join(lines).encode())
            yield plain

    def get(self, path: str, user: Any = None) -> requests.Response:
        cookies = {settings.SESSION_COOKIE_NAME: signed_in(user)} if user else {}
        return requests.get(f"http://127.0.0.1:{self.port}{path}", cookies=cookies, timeout=PATIENCE)


def signed_in(user: Any) -> str:
    """The cookie of a new session of hers, or none."""
    if user is None:
        return ""
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def refused_status(open_it: Callable[[], object]) -> int:
    try:
        open_it()
    except InvalidStatus as refused:
        return refused.response.status_code
    raise AssertionError("it was let in")


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    event = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        event.wait(0.01)
    raise AssertionError("it did not happen in time")
