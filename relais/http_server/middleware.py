"""ASGI middleware of the whole web process: which Host is answered, and how browsers may read native responses."""

import re

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])\.?(:[0-9]+)?", re.IGNORECASE)
DATA_CONTENT_TYPES = ("application/json", "text/plain", "text/xml")


class LoopbackHostOnly:
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
        return len(hosts) == 1 and LOOPBACK_HOST.fullmatch(hosts[0]) is not None


class NoContentSniffing:
    """Native routes answer data. No browser may take it for a page, whatever a client wrote into it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if headers.get("content-type", "").startswith(DATA_CONTENT_TYPES):
                    headers.setdefault(
                        "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"
                    )
            await send(message)

        await self.app(scope, receive, send_with_headers)
