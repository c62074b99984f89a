"""Health of the queues by completed work: a process may be alive, with all its connections, and complete nothing.

A periodic job is overdue when it has not succeeded for three of its intervals. A queue is late when its oldest ready
job has waited too long, and stuck when it also completes no other. Time before the jobs process started does not count,
so that neither a first start nor one after a long stop looks unhealthy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import islice, pairwise
from typing import Any

from croniter import croniter

from relais.periodic_jobs import PERIODIC_JOBS

MAX_MISSED_INTERVALS = 3
MIN_OVERDUE_SECONDS = 20.0
"""On a busy machine, a job that runs every few seconds may miss some runs."""
MAX_READY_SECONDS = 120.0
MAX_IDLE_SECONDS = 60.0
"""A late queue that has completed no job for so long is stuck."""
MAX_READY_JOBS_PER_QUEUE = 20
CRON_RUNS_COMPARED = 50

SELECT_PROGRESS = """
select 'started', name, extract(epoch from now() - started_at)::float from heartbeats where name = 'jobs'
union all select 'completed', name, extract(epoch from now() - completed_at)::float from job_completions
"""
SELECT_OLDEST_READY = f"""
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
where place <= {MAX_READY_JOBS_PER_QUEUE} group by queue_name
"""  # noqa: S608
"""Seconds for which the oldest job of each queue has been ready. Only the lowest ids are examined: those are the oldest
of a long queue."""


@dataclass(frozen=True)
class JobProgress:
    """Ages in seconds."""

    uptime: float = 0.0
    """Of the jobs process."""
    completed: Mapping[str, float] = field(default_factory=dict)
    """Since the last success of `task NAME`, or the last end of a job of `queue NAME`."""
    ready: Mapping[str, float] = field(default_factory=dict)
    """Of the oldest ready job, by queue."""

    @classmethod
    def from_rows(cls, progress: Iterable[tuple[Any, ...]], ready: Iterable[tuple[Any, ...]]) -> JobProgress:
        """From the rows of SELECT_PROGRESS and SELECT_OLDEST_READY."""
        rows = list(progress)
        return cls(
            uptime=max((age for kind, _, age in rows if kind == "started" and age is not None), default=0.0),
            completed={name: age for kind, name, age in rows if kind == "completed"},
            ready={queue: age for queue, age in ready if age is not None},
        )

    def overdue(self, intervals: Mapping[str, float]) -> dict[str, float]:
        """The overdue periodic tasks, with the seconds since their last success."""
        ages = {task: self._age(f"task {task}") for task in intervals}
        return {
            task: seconds
            for task, seconds in ages.items()
            if seconds > max(MAX_MISSED_INTERVALS * intervals[task], MIN_OVERDUE_SECONDS)
        }

    @property
    def late_queues(self) -> dict[str, float]:
        waits = {queue: min(age, self.uptime) for queue, age in self.ready.items()}
        return {queue: seconds for queue, seconds in waits.items() if seconds > MAX_READY_SECONDS}

    @property
    def stuck_queues(self) -> dict[str, float]:
        return {
            queue: seconds
            for queue, seconds in self.late_queues.items()
            if self._age(f"queue {queue}") > MAX_IDLE_SECONDS
        }

    def state(self, intervals: Mapping[str, float]) -> str:
        """`ok`, `late` or `stuck`."""
        if self.stuck_queues or self.overdue(intervals):
            return "stuck"
        return "late" if self.late_queues else "ok"

    def _age(self, name: str) -> float:
        return min(self.completed.get(name, self.uptime), self.uptime)


@cache
def periodic_intervals() -> dict[str, float]:
    """Seconds between two runs of each periodic task; the longest, where they differ."""
    return {job.task: _longest_interval(job.cron) for job in PERIODIC_JOBS}


def _longest_interval(cron: str) -> float:
    runs: Iterable[float] = islice(
        croniter(cron, datetime(2026, 1, 1, tzinfo=UTC)).all_next(float), CRON_RUNS_COMPARED
    )
    return max(after - before for before, after in pairwise(runs))
