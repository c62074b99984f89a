"""The shell: one ASGI application. Hooks, the socket, health and static files are native; pages are Django's.

Wiring only. It starts, and stays, whether the database is there or not.
"""
# ruff: noqa: E402 (Django must be set up before anything with models is imported)

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "relais.settings")

from django.core.wsgi import get_wsgi_application

django = get_wsgi_application()

from anyio.to_thread import current_default_thread_limiter
from django.conf import settings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from relais.accounts.login_delay import DelayedResponseMiddleware
from relais.conversations.live_source import ConversationSource
from relais.live import metrics
from relais.live.endpoint import Live
from relais.live.pool import open_pool
from relais.ops import health
from relais.ops.watch import exposition
from relais.ops.watch.metrics_store import pools
from relais.shell import LoopbackOnly, NothingToGuess, Pages, static_files
from relais.web.headers import StrictTransportSecurity, is_https
from relais.whatsapp.inbound.hooks import Door

NATIVE_THREADS = 4
"""What native routes may do at once in threads; hooks bring a bound of their own."""


def make_application(*, gathers: bool = True) -> Starlette:
    """A new shell with a pool and a listener of its own, so that a test can run two on one database."""
    live, door = Live(ConversationSource()), Door(gathers=gathers)
    application = Starlette(
        routes=[
            *door.routes,
            *live.routes,
            *health.routes,
            *exposition.routes,
            static_files(settings.STATIC_ROOT),
            *_phone(),
        ],
        middleware=[
            *([Middleware(StrictTransportSecurity)] if is_https() else []),
            Middleware(NothingToGuess),
            *([Middleware(LoopbackOnly)] if settings.DEMO else []),
        ],
        lifespan=_lifespan,
    )
    application.state.live, application.state.door = live, door
    application.router.redirect_slashes = False
    application.router.default = DelayedResponseMiddleware(Pages(django))
    return application


def with_plain_door() -> Starlette:
    """Each message in a transaction of its own, to be measured beside; see `relais bench ingest`."""
    return make_application(gathers=False)


def _phone() -> list[BaseRoute]:
    if not settings.DEMO:
        return []
    from relais.emulator import phone

    return list(phone.routes)


@asynccontextmanager
async def _lifespan(application: Starlette) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = NATIVE_THREADS
    state = application.state
    async with open_pool() as pool, state.live.running(pool), state.door.open():
        state.pool = pool
        pools.stats["native"] = pool.get_stats
        metrics.watch(state.live)
        yield


application = make_application()
