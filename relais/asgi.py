"""The ASGI application of the web process: hooks, live sockets, health and static files natively, pages by Django.

Wiring only. It starts, and keeps running, whether or not the database can be reached.
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
from relais.files.channel_types import MAX_FILE_BYTES, MAX_FILES_PER_SEND
from relais.http_server.django_bridge import DjangoBridge
from relais.http_server.middleware import LoopbackHostOnly, NoContentSniffing
from relais.http_server.static_files import static_files_route
from relais.http_server.upload_spool import UploadLimits, UploadSpool
from relais.live.endpoint import LiveEndpoint
from relais.live.pool import open_pool
from relais.ops import health
from relais.ops.watch import metrics_endpoint
from relais.ops.watch.metrics_store import pool_collector
from relais.web.headers import StrictTransportSecurity, is_https
from relais.web.overloaded_response import overloaded_response
from relais.web.too_large import too_large_response
from relais.whatsapp.inbound.routes import HookRoutes
from relais.whatsapp.media import twilio_fetch
from relais.whatsapp.outbound.typing_reports import TypingReports

NATIVE_THREADS = 4
"""Threads shared by all native routes; hooks have a limit of their own."""


def make_application(*, batch_hooks: bool = True) -> Starlette:
    """A new application with its own pool and listener, so that a test can run two on one database."""
    live = LiveEndpoint(ConversationSource(), on_activity=TypingReports().on_activity)
    hooks = HookRoutes(batching=batch_hooks)
    application = Starlette(
        routes=[
            *hooks.routes,
            *twilio_fetch.routes,
            *live.routes,
            *health.routes,
            *metrics_endpoint.routes,
            static_files_route(settings.STATIC_ROOT),
            *_simulator_routes(),
        ],
        middleware=[
            *([Middleware(StrictTransportSecurity)] if is_https() else []),
            Middleware(NoContentSniffing),
            *([Middleware(LoopbackHostOnly)] if settings.DEMO else []),
        ],
        lifespan=_lifespan,
    )
    application.state.live, application.state.hooks = live, hooks
    application.router.redirect_slashes = False
    application.router.default = DelayedResponseMiddleware(
        DjangoBridge(
            django,
            overloaded_response=overloaded_response,
            too_large_response=too_large_response,
            spool=UploadSpool(settings.UPLOAD_FOLDER, UploadLimits(MAX_FILE_BYTES, MAX_FILES_PER_SEND)),
            is_signed_in=live.is_signed_in,
        )
    )
    return application


def make_application_without_batching() -> Starlette:
    """Each message in its own transaction, as a baseline for `relais bench ingest`."""
    return make_application(batch_hooks=False)


def _simulator_routes() -> list[BaseRoute]:
    if not settings.DEMO:
        return []
    from relais.emulator import phone

    return list(phone.routes)


@asynccontextmanager
async def _lifespan(application: Starlette) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = NATIVE_THREADS
    state = application.state
    async with open_pool() as pool, state.live.running(pool), state.hooks.lifespan():
        state.pool = pool
        pool_collector.stats["native"] = pool.get_stats
        yield


application = make_application()
