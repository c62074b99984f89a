"""The LISTEN side of PostgreSQL's NOTIFY: a connection that dispatches notifications and reconnects when lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import psycopg
from psycopg import sql

from relais.live.pool import connect_to_listen, query_timeout

log = logging.getLogger(__name__)
MIN_RECONNECT_PAUSE_SECONDS, MAX_RECONNECT_PAUSE_SECONDS = 0.2, 2.0
KEEPALIVE_INTERVAL_SECONDS = 3.0
"""After this long without notifications the connection is checked with a query."""
KEEPALIVE_TIMEOUT_SECONDS = 2.0


class NotifyListener:
    def __init__(
        self, handlers: Mapping[str, Callable[[str], None]], *, on_connect: Callable[[], None]
    ) -> None:
        """`handlers` by channel. `on_connect` is called at each (re)connection: notifications before it are lost."""
        self.handlers = handlers
        self.on_connect = on_connect
        self.is_listening = False

    async def run(self) -> None:
        pause = MIN_RECONNECT_PAUSE_SECONDS
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as error:
                if self.is_listening:
                    pause = MIN_RECONNECT_PAUSE_SECONDS
                    log.warning("LISTEN connection lost", extra={"error": type(error).__name__})
            self.is_listening = False
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_RECONNECT_PAUSE_SECONDS)

    async def _listen(self) -> None:
        async with await connect_to_listen() as db:
            for channel in self.handlers:
                await db.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            self.is_listening = True
            self.on_connect()
            while True:
                async for notify in db.notifies(timeout=KEEPALIVE_INTERVAL_SECONDS):
                    self._dispatch(notify)
                async with query_timeout(db, KEEPALIVE_TIMEOUT_SECONDS):
                    await db.execute("select 1")

    def _dispatch(self, notify: psycopg.Notify) -> None:
        try:
            self.handlers[notify.channel](notify.payload)
        except Exception:  # Any database user may notify anything; it must not stop the listener.
            log.exception("notification handler failed", extra={"channel": notify.channel})
