"""What the database knows of how things are: a handful of bounded questions, asked together.

The outbox is read by the index of undecided deliveries, so that it costs the same with millions of others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from relais.ops.job_progress import SELECT_OLDEST_READY, SELECT_PROGRESS, JobProgress

OUTBOX = """
select state, count(*), min(created_at) from message_deliveries
where state in ('queued', 'sending', 'uncertain') group by state
"""
BEATS = "select name, at from heartbeats"
JOBS = """
select task_name,
    count(*) filter (where status = 'todo' and (scheduled_at is null or scheduled_at <= now())),
    count(*) filter (where status = 'doing'),
    count(*) filter (where status = 'failed')
from procrastinate_jobs where status in ('todo', 'doing', 'failed') group by task_name
"""
FAILED_JOBS = """
select count(*), max(event.at), string_agg(distinct task_name, ', ')
from procrastinate_jobs job join procrastinate_events event on event.job_id = job.id and event.type = 'failed'
where job.status = 'failed' and event.at > %s
"""
CONNECTIONS = """
select count(*), current_setting('max_connections')::int, current_setting('server_version')
from pg_stat_activity where backend_type = 'client backend'
"""
TALLIES = """
select name, sum(count)::bigint, max(last_at) from watch_tallies where minute > %s group by name
"""


@dataclass(frozen=True)
class Counted:
    count: int
    last_at: datetime | None


@dataclass(frozen=True)
class Outbox:
    waiting: int
    oldest_at: datetime | None
    uncertain: int


@dataclass(frozen=True)
class Jobs:
    """Of one task, or of all together."""

    waiting: int = 0
    doing: int = 0
    failed: int = 0


@dataclass(frozen=True)
class FailedJobs:
    count: int
    last_at: datetime | None
    tasks: str


def outbox() -> Outbox:
    rows = {state: (count, oldest) for state, count, oldest in _rows(OUTBOX)}
    unsent = [rows[state] for state in ("queued", "sending") if state in rows]
    return Outbox(
        waiting=sum(count for count, _ in unsent),
        oldest_at=min((oldest for _, oldest in unsent), default=None),
        uncertain=rows.get("uncertain", (0, None))[0],
    )


def beats() -> dict[str, datetime]:
    return dict(_rows(BEATS))


def jobs() -> dict[str, Jobs]:
    return {task: Jobs(*counts) for task, *counts in _rows(JOBS)}


def progress() -> JobProgress:
    return JobProgress.from_rows(_rows(SELECT_PROGRESS), _rows(SELECT_OLDEST_READY))


def failed_jobs(since: datetime) -> FailedJobs:
    count, last_at, tasks = _rows(FAILED_JOBS, [since])[0]
    return FailedJobs(count, last_at, tasks or "")


def connections() -> tuple[int, int, str]:
    """How many are open, how many may be, and of which version the server is."""
    count, most, version = _rows(CONNECTIONS)[0]
    return count, most, str(version).split(" ")[0]


def tallies(since: datetime) -> dict[str, Counted]:
    return {name: Counted(count, last) for name, count, last in _rows(TALLIES, [since])}


def _rows(question: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question, values)
        return list(cursor.fetchall())
