"""The ASGI application of the double: Twilio's REST API and the control API on one port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.types import ASGIApp

from relais.emulator import content_api, control, rest
from relais.emulator.connection_abort import AbortableConnections
from relais.emulator.twilio_double import TwilioDouble


def build_app(double: TwilioDouble) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await double.stop()

    app = Starlette(
        routes=[*rest.routes, *content_api.routes, *control.routes],
        exception_handlers={404: rest.unknown_path, 405: rest.unknown_path},
        lifespan=lifespan,
    )
    app.state.double = double
    return AbortableConnections(app)
