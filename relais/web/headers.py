"""Security headers of every response: content security policy, HSTS, no caching. Native routes set the same."""

from __future__ import annotations

from django.conf import settings
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(
        f"{name} {value}" for name, value in CONTENT_SECURITY_POLICY.items()
    ),
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Pages show clients' messages: on a shared computer they must not outlive the session in the browser's cache.
    "Cache-Control": "no-store",
}
MICROPHONE_POLICY = HEADERS["Permissions-Policy"].replace("microphone=()", "microphone=(self)")
"""Of the conversation page, where voice notes are recorded."""
HSTS_VALUE = "max-age=31536000"
"""A year, without subdomains: other hosts of the company's domain are not ours to decide about."""


def is_https() -> bool:
    """By the configured URL: TLS ends at the proxy, and the client controls the Host header."""
    return settings.PUBLIC_BASE_URL.startswith("https://")


class StrictTransportSecurity:
    """HSTS as ASGI middleware. Browsers ignore the header over plain http, as on localhost."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Strict-Transport-Security"] = HSTS_VALUE
            await send(message)

        await self.app(scope, receive, send_with_header)
