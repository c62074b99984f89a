"""Is Relais well: the addresses that a monitor asks, and the heartbeat by which jobs and the sender show life.

A heartbeat proves life, not work: whether jobs are done stands in `progress.py`.

Native and quick on purpose: they answer within two seconds when the database is gone and all pages wait for it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection
from psycopg_pool import AsyncConnectionPool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from relais.ops.job_progress import PROGRESS, READY, Progress, periodic_intervals

DUTIES = ("jobs", "sender")
STALE = 15
"""Seconds without a heartbeat after which a duty counts as dead; one beat is written every 4."""
PATIENCE = 1.5
"""Seconds that the database gets to answer."""

LATE_CONFIRMED_AFTER = 0.3
"""Seconds: a job that waited behind its lock is old and ready for the moment until it is taken."""

BEAT = """
insert into heartbeats (name, process, at, started_at) values (%s, %s, now(), now() - make_interval(secs => %s))
on conflict (name) do update set process = excluded.process, at = excluded.at, started_at = excluded.started_at
"""
COMPLETED = """
insert into job_completions (name, completed_at)
select name, now() - make_interval(secs => age) from unnest(%s::text[], %s::float[]) as completed(name, age)
on conflict (name) do update set completed_at = excluded.completed_at
"""
ALIVE = "select name from heartbeats where at > now() - make_interval(secs => %s)"


def beat(name: str, *, running: float = 0.0) -> None:
    """Say that `name`, one of DUTIES, is being done by this process, which has been `running` for so many seconds."""
    with connection.cursor() as cursor:
        cursor.execute(BEAT, [name, f"{socket.gethostname()}:{os.getpid()}", running])


def record_completions(ages: Mapping[str, float]) -> None:
    """How many seconds ago jobs were completed last, by the names of JobCompletion."""
    if ages:
        with connection.cursor() as cursor:
            cursor.execute(COMPLETED, [list(ages), list(ages.values())])


async def live(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> JSONResponse:
    return _answer({"database": "gone" if await _alive(request.app.state.pool) is None else "ok"})


async def health(request: Request) -> JSONResponse:
    vital = await _alive(request.app.state.pool)
    parts = {"database": "gone" if vital is None else "ok"}
    for duty in DUTIES:
        parts[duty] = "unknown" if vital is None else "ok" if duty in vital.duties else "silent"
    if vital and vital.progress and parts["jobs"] == "ok":
        parts["jobs"] = vital.progress.state(periodic_intervals())
    parts["live"] = "ok" if request.app.state.live.hears else "deaf"
    return _answer(parts)


@dataclass
class HealthReadings:
    duties: set[object]
    """Those that beat lately."""
    progress: Progress | None = None
    """None when it could not be told in time."""


async def _alive(pool: AsyncConnectionPool[Any]) -> HealthReadings | None:
    """What the database knows; None when it does not answer."""
    found: list[HealthReadings] = []
    asking = asyncio.create_task(_ask(pool, found))
    done, _ = await asyncio.wait({asking}, timeout=PATIENCE)
    if done:
        asking.result()
    # Not waited for: a database that hangs keeps waiting whoever takes a question back, too.
    asking.cancel()
    return found[0] if found else None


async def _ask(pool: AsyncConnectionPool[Any], found: list[HealthReadings]) -> None:
    """The heartbeats first: nobody may take the database for gone because jobs cannot be counted in time."""
    try:
        async with pool.connection() as db:
            alive = {name for (name,) in await (await db.execute(ALIVE, [STALE])).fetchall()}
            found.append(HealthReadings(alive))
            progress = await _progress(db)
            if progress.late_queues:
                await asyncio.sleep(LATE_CONFIRMED_AFTER)
                progress = await _progress(db)
            found[0].progress = progress
    except (psycopg.Error, TimeoutError, OSError):
        pass


async def _progress(db: psycopg.AsyncConnection[Any]) -> Progress:
    rows = await (await db.execute(PROGRESS)).fetchall()
    return Progress.of(rows, await (await db.execute(READY)).fetchall())


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
