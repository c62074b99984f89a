"""Asynchronous database connections of the native routes: a small pool, and one connection for LISTEN."""

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

DJANGO_ONLY_PARAMETERS = ("cursor_factory", "context", "prepare_threshold")
BORROW_TIMEOUT_SECONDS = 3.0
RECONNECT_TIMEOUT_SECONDS = 2.0
"""The pool retries with exponential backoff. It gives up early, so that the next borrower makes it retry at once."""
MAX_CONNECTIONS, MAX_CATCH_UP_CONNECTIONS = 4, 2
QUERY_TIMEOUT_SECONDS = 10.0
"""After this long the connection is closed: the network may have dropped the query or its result."""
CHECK_TIMEOUT_SECONDS = 2.0
CHECK_AFTER_IDLE_SECONDS = 1.0
"""A connection that answered more recently is lent without a check."""
WAIT_INTERVAL_SECONDS = 10.0
KEEPALIVE_PARAMETERS = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""How soon the kernel reports that the server is unreachable. Parameters of libpq; no effect on local sockets."""


def conninfo() -> str:
    """Django's database as a libpq connection string."""
    parameters = connection.get_connection_params()
    given = {name: value for name, value in parameters.items() if name not in DJANGO_ONLY_PARAMETERS}
    return make_conninfo(**KEEPALIVE_PARAMETERS | given)


@asynccontextmanager
async def open_pool() -> AsyncIterator[Pool]:
    """Open without waiting: the database may start later, or restart."""
    pool: Pool = AsyncConnectionPool(
        conninfo(),
        min_size=1,
        max_size=MAX_CONNECTIONS,
        open=False,
        timeout=BORROW_TIMEOUT_SECONDS,
        reconnect_timeout=RECONNECT_TIMEOUT_SECONDS,
        check=_check,
        kwargs={"autocommit": True, "connect_timeout": 3, "application_name": "relais live"},
    )
    await pool.open(wait=False)
    try:
        yield pool
    finally:
        await pool.close(timeout=2)


async def _check(db: Database) -> None:
    """Called for each connection before it is lent."""
    if time.monotonic() - getattr(db, "answered_at", 0.0) > CHECK_AFTER_IDLE_SECONDS:
        async with query_timeout(db, CHECK_TIMEOUT_SECONDS):
            await db.execute("")


@asynccontextmanager
async def query_timeout(db: Database, seconds: float | None = None) -> AsyncIterator[None]:
    """Queries in this block finish or fail within `seconds` (default: QUERY_TIMEOUT_SECONDS).

    It closes the connection instead of cancelling the query: psycopg's cancel would wait for the server as well.
    """
    timer = asyncio.get_running_loop().call_later(seconds or QUERY_TIMEOUT_SECONDS, _shut_down, db)
    try:
        yield
        db.answered_at = time.monotonic()  # type: ignore[attr-defined]
    finally:
        timer.cancel()


@asynccontextmanager
async def borrow(pool: Pool) -> AsyncIterator[Database]:
    async with pool.connection() as db, query_timeout(db):
        yield db


class LimitedPool:
    """Lends only some of a pool's connections: however many sockets catch up at once, broadcasts find a connection."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.semaphore = asyncio.Semaphore(MAX_CATCH_UP_CONNECTIONS)

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[Database]:
        async with asyncio.timeout(BORROW_TIMEOUT_SECONDS):
            await self.semaphore.acquire()
        try:
            async with borrow(self.pool) as db:
                yield db
        finally:
            self.semaphore.release()


def _shut_down(db: Database) -> None:
    """A query that waits for its result fails as if the server had closed the connection."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(db.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


class ListeningConnection(AsyncConnection[Any]):
    """Wakes up only when the server sends. psycopg wakes up ten times a second, which only its sync API needs."""

    async def wait(
        self, gen: Any, interval: float = WAIT_INTERVAL_SECONDS, timeout: float | None = None
    ) -> Any:
        return await super().wait(gen, interval=interval, timeout=timeout)


async def connect_to_listen() -> Database:
    """A connection outside the pool."""
    return await ListeningConnection.connect(
        conninfo(),
        autocommit=True,
        connect_timeout=3,
        application_name="relais listen",
    )
