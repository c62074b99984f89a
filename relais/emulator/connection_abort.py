"""Lets a fault close a connection without a response. ASGI has no message for that."""

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_SILENCE_SECONDS = 120.0


class AbortableConnections:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn's `send` is a method of the object that holds the connection.
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        scope["relais.transport"] = transport
        await self._app(scope, receive, send)


async def abort_connection(request: Request) -> None:
    """Close the connection at once; the caller reads nothing, not even a status line."""
    transport = request.scope.get("relais.transport")
    if transport is None:
        raise RuntimeError("This server cannot abort a connection: run the double by uvicorn.")
    transport.abort()
    await _wait_for_disconnect(request)


async def never_answer(request: Request) -> None:
    """Send nothing until the caller gives up."""
    try:
        await asyncio.wait_for(_wait_for_disconnect(request), MAX_SILENCE_SECONDS)
    except TimeoutError:
        await abort_connection(request)


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
