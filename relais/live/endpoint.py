"""The address `/live`: a socket where one can be had, else the same frames by GET."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.routing import BaseRoute

from relais.live.pool import Pool


class Live:
    routes: list[BaseRoute] = []
    hears = True

    def __init__(self, source: Any) -> None:
        self.source = source

    @asynccontextmanager
    async def running(self, pool: Pool) -> AsyncIterator[None]:
        yield
