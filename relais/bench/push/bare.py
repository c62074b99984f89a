"""The same frames to the same sockets, and nothing else: what the machine and the web server cost by themselves.

`python -m relais.bench.push.bare PORT FRAMES` sends what the watchers kept in the file FRAMES: the frames of a
message to its thread when its hook is called, those of lists at the moments they came.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

SID = re.compile(rb"MessageSid=(SM[0-9a-f]{32})")
AT_ONCE = 20
"""Sockets told in one go, as in the desk: those of a thread need not wait for all lists."""


class Bare:
    def __init__(self, kept: Path) -> None:
        told = json.loads(kept.read_text())
        self.of_messages: dict[str, tuple[str, str]] = told["messages"]
        self.of_lists: list[tuple[float, str]] = told["lists"]
        self.sockets: defaultdict[str, set[WebSocket]] = defaultdict(set)
        self.playing: asyncio.Task[None] | None = None
        self.routes = [
            WebSocketRoute("/live", self.live),
            Route("/api/twilio/message", self.message, methods=["POST"]),
        ]

    async def live(self, websocket: WebSocket) -> None:
        await websocket.accept()
        thread = websocket.query_params.get("conversation", "")
        await websocket.send_text('{"kind":"caught-up","rev":0}' if thread else '{"kind":"refresh"}')
        self.sockets[thread].add(websocket)
        async for _ in websocket.iter_text():
            pass
        self.sockets[thread].discard(websocket)

    async def message(self, request: Request) -> Response:
        self.playing = self.playing or asyncio.create_task(self._play())
        found = SID.search(await request.body())
        if found and (told := self.of_messages.get(found[1].decode())):  # Nobody looks at some threads.
            thread, text = told
            await _send(self.sockets[thread], text)
        return Response("<Response/>", media_type="text/xml")

    async def _play(self) -> None:
        begun = asyncio.get_running_loop().time()
        for at, text in self.of_lists:
            await asyncio.sleep(begun + at - asyncio.get_running_loop().time())
            await _send(self.sockets[""], text)


async def _send(sockets: Iterable[WebSocket], text: str) -> None:
    for number, websocket in enumerate(list(sockets)):
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
        await websocket.send_text(text)


if __name__ == "__main__":
    application = Starlette(routes=Bare(Path(sys.argv[2])).routes)
    uvicorn.run(
        application,
        port=int(sys.argv[1]),
        access_log=False,
        log_config=None,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
    )
