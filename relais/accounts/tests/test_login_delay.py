"""The ASGI middleware that delays responses."""

import asyncio

from relais.accounts.login_delay import DELAY_HEADER, DelayedResponseMiddleware


def test_the_server_delays_the_response_and_removes_the_header():
    delays, sent = [], []

    async def page(scope, receive, send):
        headers = [(DELAY_HEADER.lower().encode(), b"2.5"), (b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def sleep(seconds):
        delays.append((seconds, list(sent)))

    async def send(message):
        sent.append(message)

    asyncio.run(DelayedResponseMiddleware(page, sleep)({"type": "http"}, None, send))
    assert delays == [(2.5, [])]
    assert sent[0]["headers"] == [(b"content-type", b"text/html")]
