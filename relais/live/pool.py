"""The connections of the native side: a small pool, and one more for whoever listens."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import psycopg
from django.db import connection
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

Database: TypeAlias = AsyncConnection[tuple[Any, ...]]
Pool: TypeAlias = AsyncConnectionPool[Database]

OF_DJANGO = ("cursor_factory", "context", "prepare_threshold")
PATIENCE = 3.0
"""Seconds to wait for a connection before whoever asks is told that there is none."""
GIVE_UP = 2.0
"""The pool's own attempts grow ever rarer: it gives up early, and the next one who asks makes it try at once."""
MOST, AT_ONCE = 4, 2
"""Connections in all, and for those who come or catch up."""
LONGEST = 10.0
"""Seconds after which a connection is given up, whatever was asked: a network may swallow question and answer."""
CHECK = 2.0
"""Seconds that a connection has to show that it lives."""
FRESH = 1.0
"""Seconds for which a connection that just answered is believed to live."""
WAIT_INTERVAL_SECONDS = 10.0
NOTICED_SOON = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""How soon the kernel says that the other side is gone; libpq's words, unknown to local sockets."""


def conninfo() -> str:
    """Where Django's database is, in the words of libpq."""
    parameters = connection.get_connection_params()
    given = {name: value for name, value in parameters.items() if name not in OF_DJANGO}
    return make_conninfo(**NOTICED_SOON | given)


@asynccontextmanager
async def open_pool() -> AsyncIterator[Pool]:
    """Opens without waiting: the database may come later, or go and come back."""
    pool: Pool = AsyncConnectionPool(
        conninfo(),
        min_size=1,
        max_size=MOST,
        open=False,
        timeout=PATIENCE,
        reconnect_timeout=GIVE_UP,
        check=_check,
        kwargs={"autocommit": True, "connect_timeout": 3, "application_name": "relais live"},
    )
    await pool.open(wait=False)
    try:
        yield pool
    finally:
        await pool.close(timeout=2)


async def _check(db: Database) -> None:
    """Asked of each connection before it is lent, unless it has just answered."""
    if time.monotonic() - getattr(db, "answered", 0.0) > FRESH:
        async with answering(db, CHECK):
            await db.execute("")


@asynccontextmanager
async def answering(db: Database, seconds: float | None = None) -> AsyncIterator[None]:
    """What is asked in here is answered, or fails, within `seconds` (LONGEST).

    Not by cancelling: psycopg would ask the server to stop and wait for that, too, to be answered.
    """
    patience = asyncio.get_running_loop().call_later(seconds or LONGEST, _hang_up, db)
    try:
        yield
        db.answered = time.monotonic()  # type: ignore[attr-defined]
    finally:
        patience.cancel()


@asynccontextmanager
async def lent(pool: Pool) -> AsyncIterator[Database]:
    async with pool.connection() as db, answering(db):
        yield db


class Gate:
    """A few at a time: however many come back at once, those who tell the others find a connection."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.places = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Database]:
        async with asyncio.timeout(PATIENCE):
            await self.places.acquire()
        try:
            async with lent(self.pool) as db:
                yield db
        finally:
            self.places.release()


def _hang_up(db: Database) -> None:
    """Whoever waits for an answer is told that the connection is lost, as if the server had closed it."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(db.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


class ListeningConnection(AsyncConnection[Any]):
    """Waits for the server alone. psycopg's own looks up ten times a second, which only a synchronous one needs."""

    async def wait(
        self, gen: Any, interval: float = WAIT_INTERVAL_SECONDS, timeout: float | None = None
    ) -> Any:
        return await super().wait(gen, interval=interval, timeout=timeout)


async def connect() -> Database:
    """A connection outside the pool, for LISTEN."""
    return await ListeningConnection.connect(
        conninfo(),
        autocommit=True,
        connect_timeout=3,
        application_name="relais listen",
    )
