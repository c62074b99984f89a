"""Is Relais well: the addresses that a monitor asks, and the heartbeat by which jobs and the sender show life.

Native and quick on purpose: they answer within two seconds when the database is gone and all pages wait for it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import psycopg
from django.db import connection
from psycopg_pool import AsyncConnectionPool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

DUTIES = ("jobs", "sender")
STALE = 15
"""Seconds without a heartbeat after which a duty counts as dead; one beat is written every 2."""
PATIENCE = 1.5
"""Seconds that the database gets to answer."""

BEAT = """
insert into heartbeats (name, process, at) values (%s, %s, now())
on conflict (name) do update set process = excluded.process, at = excluded.at
"""
ALIVE = "select name from heartbeats where at > now() - make_interval(secs => %s)"


def beat(name: str) -> None:
    """Say that `name`, one of DUTIES, is being done by this process."""
    with connection.cursor() as cursor:
        cursor.execute(BEAT, [name, f"{socket.gethostname()}:{os.getpid()}"])


async def live(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> JSONResponse:
    return _answer({"database": "gone" if await _alive(request.app.state.pool) is None else "ok"})


async def health(request: Request) -> JSONResponse:
    alive = await _alive(request.app.state.pool)
    parts = {"database": "gone" if alive is None else "ok"}
    for duty in DUTIES:
        parts[duty] = "unknown" if alive is None else "ok" if duty in alive else "silent"
    parts["live"] = "ok" if request.app.state.live.hears else "deaf"
    return _answer(parts)


async def _alive(pool: AsyncConnectionPool[Any]) -> set[object] | None:
    """The duties that beat lately; None when the database does not answer."""
    asking = asyncio.create_task(_asked(pool))
    done, _ = await asyncio.wait({asking}, timeout=PATIENCE)
    if done:
        return asking.result()
    # Not waited for: a database that hangs keeps waiting whoever takes a question back, too.
    asking.cancel()
    return None


async def _asked(pool: AsyncConnectionPool[Any]) -> set[object] | None:
    try:
        async with pool.connection() as db:
            return {name for (name,) in await (await db.execute(ALIVE, [STALE])).fetchall()}
    except (psycopg.Error, TimeoutError, OSError):
        return None


def _answer(parts: dict[str, str]) -> JSONResponse:
    well = set(parts.values()) == {"ok"}
    return JSONResponse(
        {"status": "ok" if well else "unwell"} | parts,
        status_code=200 if well else 503,
        headers={"Cache-Control": "no-store"},
    )


routes = [
    Route("/api/live", live),
    Route("/api/ready", ready),
    Route("/api/health", health),
]
