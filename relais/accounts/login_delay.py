"""Delayed responses to sign-ins under password guessing: Django sets the delay, the server waits without a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DELAY_HEADER = "X-Relais-Delay-Seconds"
"""From Django to the ASGI middleware; it is removed before the response is sent."""


def delay_response(request: HttpRequest, seconds: float) -> None:
    request.META[DELAY_HEADER] = seconds


def login_delay_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Django middleware: put the delay into a response header for the ASGI middleware."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if seconds := request.META.get(DELAY_HEADER):
            response[DELAY_HEADER] = str(seconds)
        return response

    return middleware


class DelayedResponseMiddleware:
    """ASGI middleware: wait before sending the response; Django's thread is free meanwhile."""

    def __init__(self, app: ASGIApp, sleep: Callable[[float], object] = asyncio.sleep) -> None:
        self.app, self.sleep = app, sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_delayed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if seconds := headers.get(DELAY_HEADER):
                    del headers[DELAY_HEADER]
                    await self.sleep(float(seconds))  # type: ignore[misc]
            await send(message)

        await self.app(scope, receive, send_delayed)
