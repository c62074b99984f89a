"""Tracks the jobs that this process runs, and when it last completed one of each task and queue."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from procrastinate.job_context import JobContext
from procrastinate.jobs import Job
from procrastinate.worker import Worker

LOST_AFTER_SECONDS = 8.0
"""How long a job may be marked as `doing` by a worker of this process that does not run it."""


class JobTracker:
    """Used on the event loop of the workers; only `completed` may be read by any thread."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.completed: dict[str, float] = {}
        """Monotonic time of the last success of `task NAME`, or the last end of a job of `queue NAME`."""
        self._recorded: dict[str, float] = {}
        self._running: Counter[int] = Counter()
        self._worker_ids: set[int] = set()
        self._idle_since: dict[int, float] = {}

    async def track(
        self, call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Worker
    ) -> Any:
        """Procrastinate's worker middleware, called around every job."""
        job = context.job
        assert job.id is not None
        self._running[job.id] += 1
        try:
            result = await call_next()
            self.completed[f"task {job.task_name}"] = time.monotonic()
            return result
        finally:
            self.completed[f"queue {job.queue}"] = time.monotonic()
            self._running[job.id] -= 1
            if not self._running[job.id]:
                del self._running[job.id]

    def unrecorded(self) -> dict[str, float]:
        """What was completed since the last `mark_recorded`, by name."""
        return {name: at for name, at in list(self.completed.items()) if self._recorded.get(name) != at}

    def mark_recorded(self, completed: Mapping[str, float]) -> None:
        self._recorded.update(completed)

    @property
    def running_count(self) -> int:
        return len(self._running)

    def is_running(self, job_id: int | None) -> bool:
        return job_id in self._running

    def find_lost(self, doing: Iterable[Job], *, now: float) -> list[Job]:
        """Of the jobs marked as `doing`, those that a worker of this process fetched and does not run.

        That happens when the connection breaks while a job is fetched, or while its outcome is written.
        """
        self._worker_ids |= {worker.worker_id for worker in self.workers if worker.worker_id is not None}
        idle = {
            job.id: job
            for job in doing
            if job.id is not None and job.worker_id in self._worker_ids and not self.is_running(job.id)
        }
        self._idle_since = {job_id: self._idle_since.get(job_id, now) for job_id in idle}
        return [job for job_id, job in idle.items() if now - self._idle_since[job_id] >= LOST_AFTER_SECONDS]


job_tracker = JobTracker()
"""Of this process."""
