"""The double as an ASGI application: Twilio's calls and the control API on one port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.types import ASGIApp

from relais.emulator import control, rest
from relais.emulator.connection_abort import Cuttable
from relais.emulator.twilio_double import Double


def build_app(double: Double) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await double.stop()

    app = Starlette(
        routes=[*rest.routes, *control.routes],
        exception_handlers={404: rest.unknown, 405: rest.unknown},
        lifespan=lifespan,
    )
    app.state.double = double
    return Cuttable(app)
