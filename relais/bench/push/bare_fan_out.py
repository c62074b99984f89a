"""The baseline: the same frames to the same sockets and nothing else, the cost of machine and web server alone.

`python -m relais.bench.push.bare_fan_out PORT FRAMES` sends what the load client recorded in the file FRAMES:
a message's frames to its conversation when the webhook is called, those of lists at their recorded times.
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
SOCKETS_PER_BATCH = 20
"""Sockets per turn of the loop, as in the desk: a conversation's sockets do not wait for all lists."""


class BareFanOut:
    def __init__(self, kept: Path) -> None:
        frames = json.loads(kept.read_text())
        self.message_frames: dict[str, tuple[str, str]] = frames["messages"]
        self.list_frames: list[tuple[float, str]] = frames["lists"]
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
        match = SID.search(await request.body())
        # Some conversations have no watcher.
        if match and (message := self.message_frames.get(match[1].decode())):
            thread, text = message
            await _send(self.sockets[thread], text)
        return Response("<Response/>", media_type="text/xml")

    async def _play(self) -> None:
        started_at = asyncio.get_running_loop().time()
        for at, text in self.list_frames:
            await asyncio.sleep(started_at + at - asyncio.get_running_loop().time())
            await _send(self.sockets[""], text)


async def _send(sockets: Iterable[WebSocket], text: str) -> None:
    for number, websocket in enumerate(list(sockets)):
        if number % SOCKETS_PER_BATCH == 0:
            await asyncio.sleep(0)
        await websocket.send_text(text)


if __name__ == "__main__":
    application = Starlette(routes=BareFanOut(Path(sys.argv[2])).routes)
    uvicorn.run(
        application,
        port=int(sys.argv[1]),
        access_log=False,
        log_config=None,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
    )
