"""Delayed responses to sign-ins under password guessing: how long, and how. Django sets the delay, the server waits
without a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DELAY_HEADER = "X-Relais-Delay-Seconds"
"""From Django to the ASGI middleware; it is removed before the response is sent."""

UNDELAYED_FAILURES_PER_ACCOUNT, UNDELAYED_FAILURES_IN_ALL = 10, 200
"""From all addresses together; up to here responses are not delayed."""
FAILURES_PER_DELAY_SECOND_OF_ACCOUNT, FAILURES_PER_DELAY_SECOND_IN_ALL = 5, 100
MAX_DELAY_SECONDS = 10


def delay_seconds(failures_of_account: QuerySet[Any], failures_in_all: QuerySet[Any]) -> float:
    """The delay of a response after these recent failures, whether the attempt succeeds or fails."""
    return max(
        _delay_seconds(
            failures_of_account, UNDELAYED_FAILURES_PER_ACCOUNT, FAILURES_PER_DELAY_SECOND_OF_ACCOUNT
        ),
        _delay_seconds(failures_in_all, UNDELAYED_FAILURES_IN_ALL, FAILURES_PER_DELAY_SECOND_IN_ALL),
    )


def _delay_seconds(failures: QuerySet[Any], undelayed: int, per_second: int) -> float:
    max_counted = undelayed + MAX_DELAY_SECONDS * per_second
    return max(0, failures[:max_counted].count() - undelayed) / per_second


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
