"""The connections of the native side: a small pool, and one more for whoever listens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

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


def conninfo() -> str:
    """Where Django's database is, in the words of libpq."""
    parameters = connection.get_connection_params()
    return make_conninfo(**{name: value for name, value in parameters.items() if name not in OF_DJANGO})


@asynccontextmanager
async def open_pool() -> AsyncIterator[Pool]:
    """Opens without waiting: the database may come later, or go and come back."""
    pool: Pool = AsyncConnectionPool(
        conninfo(),
        min_size=1,
        max_size=4,
        open=False,
        timeout=PATIENCE,
        reconnect_timeout=GIVE_UP,
        check=AsyncConnectionPool.check_connection,
        kwargs={"autocommit": True, "connect_timeout": 3},
    )
    await pool.open(wait=False)
    try:
        yield pool
    finally:
        await pool.close(timeout=2)


async def connect() -> Database:
    """A connection outside the pool, for LISTEN; a network that swallows packets is noticed in half a minute."""
    return await AsyncConnection.connect(
        conninfo(),
        autocommit=True,
        connect_timeout=3,
        application_name="relais listen",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
    )
