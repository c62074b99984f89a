"""Do jobs make progress? A process may live, with all its connections, and complete nothing.

A periodic job is overdue when it has not succeeded for three of its intervals, a queue is late when the oldest of its
jobs that could run has waited too long, and stuck when it completes none besides. What happened before the process of
the jobs began counts for nothing, so that neither the first start nor one after a long time looks ill.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import islice, pairwise
from typing import Any

from croniter import croniter

MAX_MISSED_INTERVALS = 3
MIN_OVERDUE_SECONDS = 20.0
"""Of what runs every few seconds a busy machine may miss some."""
MAX_READY_SECONDS = 120.0
MAX_IDLE_SECONDS = 60.0
"""A queue with a job that waits too long completes another at least this often, or is stuck."""
OLDEST_OF_QUEUE = 20
INTERVALS_LOOKED_AT = 50

PROGRESS = """
select 'started', name, extract(epoch from now() - started_at)::float from heartbeats where name = 'jobs'
union all select 'completed', name, extract(epoch from now() - completed_at)::float from job_completions
"""
READY = f"""
with ready as (
  select id, queue_name, scheduled_at, row_number() over (partition by queue_name order by id) as place
  from procrastinate_jobs job
  where status = 'todo' and (scheduled_at is null or scheduled_at <= now())
    and (lock is null or not exists (
      select from procrastinate_jobs earlier where earlier.lock = job.lock
        and (earlier.status = 'doing' or earlier.status = 'todo' and earlier.id < job.id))))
select queue_name, max(extract(epoch from now() - greatest(scheduled_at, deferred.at)))::float
from ready cross join lateral (
  select max(event.at) as at from procrastinate_events event where event.job_id = ready.id) deferred
where place <= {OLDEST_OF_QUEUE} group by queue_name
"""  # noqa: S608
"""Seconds since the oldest job of each queue could have run. The lowest ids, since a long queue has no older ones."""


@dataclass(frozen=True)
class Progress:
    """Ages in seconds."""

    running: float = 0.0
    """Since when the process of the jobs runs."""
    completed: Mapping[str, float] = field(default_factory=dict)
    ready: Mapping[str, float] = field(default_factory=dict)
    """The oldest job that could run, by queue."""

    @classmethod
    def of(cls, progress: Iterable[tuple[Any, ...]], ready: Iterable[tuple[Any, ...]]) -> Progress:
        """From the rows of PROGRESS and READY."""
        rows = list(progress)
        return cls(
            running=max((age for kind, _, age in rows if kind == "started" and age is not None), default=0.0),
            completed={name: age for kind, name, age in rows if kind == "completed"},
            ready={queue: age for queue, age in ready if age is not None},
        )

    def overdue(self, intervals: Mapping[str, float]) -> dict[str, float]:
        """By task, for how long a periodic job has not succeeded that should have."""
        silent = {task: self._since(f"task {task}") for task in intervals}
        return {
            task: seconds
            for task, seconds in silent.items()
            if seconds > max(MAX_MISSED_INTERVALS * intervals[task], MIN_OVERDUE_SECONDS)
        }

    @property
    def late_queues(self) -> dict[str, float]:
        waits = {queue: min(age, self.running) for queue, age in self.ready.items()}
        return {queue: seconds for queue, seconds in waits.items() if seconds > MAX_READY_SECONDS}

    @property
    def stuck_queues(self) -> dict[str, float]:
        return {
            queue: seconds
            for queue, seconds in self.late_queues.items()
            if self._since(f"queue {queue}") > MAX_IDLE_SECONDS
        }

    def state(self, intervals: Mapping[str, float]) -> str:
        """`ok`, `late` or `stuck`."""
        if self.stuck_queues or self.overdue(intervals):
            return "stuck"
        return "late" if self.late_queues else "ok"

    def _since(self, name: str) -> float:
        return min(self.completed.get(name, self.running), self.running)


@cache
def periodic_intervals() -> dict[str, float]:
    """Seconds between the runs of each periodic task; the longest, where they differ."""
    from procrastinate.contrib.django import app

    return {
        periodic.task.name: _longest_interval(periodic.cron)
        for periodic in app.periodic_registry.periodic_tasks.values()
    }


def _longest_interval(cron: str) -> float:
    runs: Iterable[float] = islice(
        croniter(cron, datetime(2026, 1, 1, tzinfo=UTC)).all_next(float), INTERVALS_LOOKED_AT
    )
    return max(after - before for before, after in pairwise(runs))
