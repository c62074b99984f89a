"""Health checks for a monitor (`/api/live`, `/api/ready`, `/api/health`), and the heartbeats of jobs and sender.

A heartbeat proves that a process runs, not that it works: `job_progress.py` measures whether jobs are completed.

Starlette routes, not Django views: they answer within two seconds while the database is down and pages wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection
from psycopg_pool import AsyncConnectionPool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from relais.ops.job_progress import SELECT_OLDEST_READY, SELECT_PROGRESS, JobProgress, periodic_intervals
from relais.process_identity import process_identity

HEARTBEAT_NAMES = ("jobs", "sender")
HEARTBEAT_INTERVAL_SECONDS = 4.0
STALE_AFTER_SECONDS = 15
"""Without a heartbeat for so long a process or a worker counts as dead; the jobs of such a worker are retried."""
SENDER_STALE_AFTER_SECONDS = 10.0
"""Without a successful poll of the outbox for so long the sender writes no heartbeat."""
DATABASE_TIMEOUT_SECONDS = 1.5

CONFIRM_LATE_AFTER_SECONDS = 0.3
"""A job that waited behind its lock looks late in the moment between its release and its fetch: read twice."""

WRITE_HEARTBEAT = """
insert into heartbeats (name, process, at, started_at) values (%s, %s, now(), now() - make_interval(secs => %s))
on conflict (name) do update set process = excluded.process, at = excluded.at, started_at = excluded.started_at
"""
WRITE_COMPLETIONS = """
insert into job_completions (name, completed_at)
select name, now() - make_interval(secs => age) from unnest(%s::text[], %s::float[]) as completed(name, age)
on conflict (name) do update set completed_at = excluded.completed_at
"""
READ_HEARTBEATS = "select name from heartbeats where at > now() - make_interval(secs => %s)"


def record_heartbeat(name: str, *, uptime_seconds: float = 0.0) -> None:
    """Write the heartbeat of `name`, one of HEARTBEAT_NAMES, for this process."""
    with connection.cursor() as cursor:
        cursor.execute(WRITE_HEARTBEAT, [name, process_identity(), uptime_seconds])


def record_completions(ages: Mapping[str, float]) -> None:
    """`ages`: seconds since the last completion, by the name of a JobCompletion."""
    if ages:
        with connection.cursor() as cursor:
            cursor.execute(WRITE_COMPLETIONS, [list(ages), list(ages.values())])


async def live(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> JSONResponse:
    readings = await _read_within_timeout(request.app.state.pool)
    return _response({"database": "down" if readings is None else "ok"})


async def health(request: Request) -> JSONResponse:
    readings = await _read_within_timeout(request.app.state.pool)
    parts = {"database": "down" if readings is None else "ok"}
    for name in HEARTBEAT_NAMES:
        parts[name] = "unknown" if readings is None else "ok" if name in readings.alive else "stale"
    if readings and readings.progress and parts["jobs"] == "ok":
        parts["jobs"] = readings.progress.state(periodic_intervals())
    parts["live"] = "ok" if request.app.state.live.is_listening else "not_listening"
    return _response(parts)


@dataclass
class HealthReadings:
    alive: set[object]
    """The names whose heartbeat is fresh."""
    progress: JobProgress | None = None
    """None when it could not be read within the timeout."""


async def _read_within_timeout(pool: AsyncConnectionPool[Any]) -> HealthReadings | None:
    """None when the database does not answer."""
    readings: list[HealthReadings] = []
    reading = asyncio.create_task(_read(pool, readings))
    done, _ = await asyncio.wait({reading}, timeout=DATABASE_TIMEOUT_SECONDS)
    if done:
        reading.result()
    # Do not await the cancelled task: on a database that hangs, cancelling a query hangs as well.
    reading.cancel()
    return readings[0] if readings else None


async def _read(pool: AsyncConnectionPool[Any], readings: list[HealthReadings]) -> None:
    """Heartbeats first: the database is not down because counting jobs exceeds the timeout."""
    try:
        async with pool.connection() as db:
            rows = await (await db.execute(READ_HEARTBEATS, [STALE_AFTER_SECONDS])).fetchall()
            readings.append(HealthReadings({name for (name,) in rows}))
            progress = await _progress(db)
            if progress.late_queues:
                await asyncio.sleep(CONFIRM_LATE_AFTER_SECONDS)
                progress = await _progress(db)
            readings[0].progress = progress
    except (psycopg.Error, TimeoutError, OSError):
        pass


async def _progress(db: psycopg.AsyncConnection[Any]) -> JobProgress:
    rows = await (await db.execute(SELECT_PROGRESS)).fetchall()
    return JobProgress.from_rows(rows, await (await db.execute(SELECT_OLDEST_READY)).fetchall())


def _response(parts: dict[str, str]) -> JSONResponse:
    healthy = set(parts.values()) == {"ok"}
    return JSONResponse(
        {"status": "ok" if healthy else "unhealthy"} | parts,
        status_code=200 if healthy else 503,
        headers={"Cache-Control": "no-store"},
    )


routes = [
    Route("/api/live", live),
    Route("/api/ready", ready),
    Route("/api/health", health),
]
