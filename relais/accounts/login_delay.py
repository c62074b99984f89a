"""A sign-in under guessing is answered late: the delay is told by the page and waited by the shell, in no thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DELAY_HEADER = "X-Relais-Delay-Seconds"
"""Between the page and the shell only; it never leaves this process."""


def delay_response(request: HttpRequest, seconds: float) -> None:
    request.META[DELAY_HEADER] = seconds


def login_delay_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Django's middleware: tells the shell for how long to keep the answer."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if seconds := request.META.get(DELAY_HEADER):
            response[DELAY_HEADER] = str(seconds)
        return response

    return answer


class DelayedResponseMiddleware:
    """The shell's part: the thread is free again while the answer waits."""

    def __init__(self, app: ASGIApp, sleep: Callable[[float], object] = asyncio.sleep) -> None:
        self.app, self.sleep = app, sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def delayed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if seconds := headers.get(DELAY_HEADER):
                    del headers[DELAY_HEADER]
                    await self.sleep(float(seconds))  # type: ignore[misc]
            await send(message)

        await self.app(scope, receive, delayed)
