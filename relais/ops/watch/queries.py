"""The database queries of the status page and of `/metrics`: few, and each of bounded cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from relais.ops.job_progress import SELECT_OLDEST_READY, SELECT_PROGRESS, JobProgress
from relais.ops.status_queries import (
    SELECT_FAILED_JOBS,
    SELECT_HEARTBEATS,
    SELECT_OUTBOX,
    Outbox,
)
from relais.ops.status_thresholds import FAILED_JOBS_WINDOW_SECONDS

SELECT_JOB_COUNTS = """
select task_name,
    count(*) filter (where status = 'todo' and (scheduled_at is null or scheduled_at <= now())),
    count(*) filter (where status = 'doing'),
    count(*) filter (where status = 'failed')
from procrastinate_jobs where status in ('todo', 'doing', 'failed') group by task_name
"""
SELECT_SERVER_STATUS = """
select count(*), current_setting('max_connections')::int, current_setting('server_version')
from pg_stat_activity where backend_type = 'client backend'
"""
SELECT_SCHEDULED = """
select count(*), min(send_at) filter (where send_at <= now()), count(*) filter (where send_at <= now())
from scheduled_messages where state = 'scheduled'
"""
SELECT_TALLIES = """
select name, sum(count)::bigint, max(last_at) from watch_tallies where minute > %s group by name
"""


@dataclass(frozen=True)
class EventCount:
    count: int
    last_at: datetime | None


@dataclass(frozen=True)
class JobCounts:
    """Of one task, or of all tasks."""

    waiting: int = 0
    doing: int = 0
    failed: int = 0


@dataclass(frozen=True)
class FailedJobs:
    count: int
    last_at: datetime | None
    tasks: str
    """Names of the tasks, separated by commas."""


class ScheduledMessages(NamedTuple):
    waiting: int
    oldest_late_at: datetime | None
    """The time of the one that should have left first; None when none is due."""
    late: int


class ServerStatus(NamedTuple):
    connections: int
    max_connections: int
    version: str


def outbox() -> Outbox:
    return Outbox.from_rows(_rows(SELECT_OUTBOX))


def heartbeats() -> dict[str, datetime]:
    return {name: at for name, at, *_ in _rows(SELECT_HEARTBEATS)}


def job_counts() -> dict[str, JobCounts]:
    """By task."""
    return {task: JobCounts(*counts) for task, *counts in _rows(SELECT_JOB_COUNTS)}


def job_progress() -> JobProgress:
    return JobProgress.from_rows(_rows(SELECT_PROGRESS), _rows(SELECT_OLDEST_READY))


def scheduled_messages() -> ScheduledMessages:
    return ScheduledMessages(*_rows(SELECT_SCHEDULED)[0])


def failed_jobs() -> FailedJobs:
    rows = _rows(SELECT_FAILED_JOBS, [FAILED_JOBS_WINDOW_SECONDS])
    return FailedJobs(
        count=sum(count for _, count, _ in rows),
        last_at=max((last_at for *_, last_at in rows), default=None),
        tasks=", ".join(sorted(task for task, *_ in rows)),
    )


def server_status() -> ServerStatus:
    connections, max_connections, version = _rows(SELECT_SERVER_STATUS)[0]
    return ServerStatus(connections, max_connections, str(version).split(" ")[0])


def scanning_media() -> int:
    """Received files that wait for the virus scanner."""
    return int(_rows("select count(*) from media where state = 'scanning'")[0][0])


def event_counts(since: datetime) -> dict[str, EventCount]:
    """Counted events of all processes, by the names of `metrics_store.tallied_counters`."""
    return {name: EventCount(count, last_at) for name, count, last_at in _rows(SELECT_TALLIES, [since])}


def _rows(sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
