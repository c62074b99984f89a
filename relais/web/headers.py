"""What every answer of ours tells the browser not to do. Native routes set the same."""

from __future__ import annotations

from django.conf import settings
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Pages show clients' words: on a shared computer they must not outlive the session in the browser's cache.
    "Cache-Control": "no-store",
}
STRICT_TRANSPORT = "max-age=31536000"
"""A year, for this host alone: what else stands under the company's domain is not ours to bind."""


def is_https() -> bool:
    """By the configured address: the connection ends at the proxy, and a Host is whatever somebody claims."""
    return settings.PUBLIC_BASE_URL.startswith("https://")


class StrictTransportSecurity:
    """Asks browsers to come by https alone. Over plain http, as on the machine itself, they do not listen to it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Strict-Transport-Security"] = STRICT_TRANSPORT
            await send(message)

        await self.app(scope, receive, secured)
