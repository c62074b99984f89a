"""Hearing what the database tells: one connection that listens, and comes back whenever it is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import psycopg
from psycopg import sql

from relais.live.pool import answering, connect

log = logging.getLogger(__name__)
SHORTEST, LONGEST = 0.2, 2.0
"""Seconds between two attempts to connect."""
SILENCE = 3.0
"""Seconds after which the connection is asked whether it still lives; it has LONGEST to answer."""


class Listener:
    def __init__(self, channels: Mapping[str, Callable[[str], None]], *, back: Callable[[], None]) -> None:
        """`back` is called whenever listening begins (again): anything may have been missed until then."""
        self.channels = channels
        self.back = back
        self.hears = False

    async def run(self) -> None:
        pause = SHORTEST
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as error:
                if self.hears:
                    pause = SHORTEST
                    log.warning("the database is not heard any more", extra={"error": type(error).__name__})
            self.hears = False
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST)

    async def _listen(self) -> None:
        async with await connect() as db:
            for channel in self.channels:
                await db.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            self.hears = True
            self.back()
            while True:
                async for notify in db.notifies(timeout=SILENCE):
                    self._hear(notify)
                async with answering(db, LONGEST):
                    await db.execute("select 1")

    def _hear(self, notify: psycopg.Notify) -> None:
        try:
            self.channels[notify.channel](notify.payload)
        except Exception:  # Anyone with a connection may say anything; it must not make us deaf.
            log.exception("a notice was not understood", extra={"channel": notify.channel})
