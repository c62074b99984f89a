"""A line that can be cut: lets a fault end a connection without an answer, which ASGI has no word for."""

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

LONGEST_SILENCE = 120.0


class Cuttable:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn's `send` is a method of the object that holds the connection.
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        scope["relais.transport"] = transport
        await self._app(scope, receive, send)


async def cut(request: Request) -> None:
    """Ends the connection at once; the caller reads nothing, not even a status line."""
    transport = request.scope.get("relais.transport")
    if transport is None:
        raise RuntimeError("This server does not let a connection be cut: run the double by uvicorn.")
    transport.abort()
    await _until_gone(request)


async def fall_silent(request: Request) -> None:
    """Answers nothing until the caller gives up."""
    try:
        await asyncio.wait_for(_until_gone(request), LONGEST_SILENCE)
    except TimeoutError:
        await cut(request)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
