"""Procrastinate's workers, one per queue, and the deferrer of periodic jobs beside them.

Each part begins again by itself within seconds after its database connection breaks. Their bookkeeping has a small
connection pool of its own; what a job defers still joins Django's transaction.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from procrastinate import App
from procrastinate.job_context import AbortReason
from procrastinate.periodic import PeriodicDeferrer, PeriodicRegistry
from procrastinate.psycopg_connector import PsycopgConnector
from procrastinate.worker import Worker
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from relais.ops.clock_jump import cancel_on_clock_jump, reset_future_timestamps
from relais.ops.job_tracker import job_tracker

log = logging.getLogger(__name__)
RESTART_PAUSE_SECONDS = 1.0
REPEATED_WARNING_SECONDS = 60.0
ABANDON_JOBS_AFTER_SECONDS = 0.5
"""How long a worker whose connection broke waits for its jobs before another one takes its place."""
POLLING_SECONDS = 2.0
"""Only retries wait for it: of all other jobs the worker is notified."""
POOL_TIMEOUT_SECONDS = 3.0
POOL_RECONNECT_SECONDS = 2.0
"""The pool retries ever more rarely: it gives up early, and the next query makes it try at once."""
POOL_CONNECTIONS = 4
MAX_CATCH_UP_SECONDS = 86_400
"""A periodic job that fell due while nobody deferred it runs once when that is over, unless it is older than this."""


class QueueWorker(Worker):
    """A worker that neither defers periodic jobs nor waits without end for jobs it cannot stop."""

    async def _periodic_deferrer(self) -> None:
        """Deferring runs apart. Never return: the first side task to end also ends the watch over the others."""
        await asyncio.Event().wait()

    async def _abort_running_jobs(self) -> None:
        """A synchronous job cannot be stopped. Its task goes on in the event loop and records how the job ended."""
        for task, context in list(self._running_jobs.items()):
            self._abort_job(task, context, AbortReason.SHUTDOWN)


class Workers:
    """A worker per queue and one periodic deferrer, run until they are cancelled."""

    def __init__(
        self,
        app: App,
        concurrency: Mapping[str, int],
        *,
        conninfo: str,
        jobs_end_within: float,
        connection_class: type[AsyncConnection[Any]] = AsyncConnection,
    ) -> None:
        """`concurrency`: of each queue, how many jobs are at work at once; at the end they get `jobs_end_within` s."""
        self.concurrency = concurrency
        self.jobs_end_within = jobs_end_within
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            conninfo,
            connection_class=connection_class,
            min_size=1,
            max_size=POOL_CONNECTIONS,
            open=False,
            timeout=POOL_TIMEOUT_SECONDS,
            reconnect_timeout=POOL_RECONNECT_SECONDS,
            check=AsyncConnectionPool.check_connection,
            configure=_autocommit,
            kwargs={"connect_timeout": 3, "application_name": "relais jobs"},
        )
        self.connector = PsycopgConnector()
        self.app = _with_connector(app, self.connector)

    async def run(self, stop: asyncio.Event) -> None:
        """Until it is cancelled, with `stop` set before."""
        await self.pool.open(wait=False)
        await self.connector.open_async(self.pool)
        parts = [asyncio.create_task(self._keep_running("periodic deferrer", self._defer_periodic, stop))]
        parts += [
            asyncio.create_task(self._keep_running(f"worker of {queue}", partial(self._work_on, queue), stop))
            for queue in self.concurrency
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for worker in job_tracker.workers:
                worker.shutdown_graceful_timeout = self.jobs_end_within
            for part in parts:
                part.cancel()
            await asyncio.wait(parts)
            await self.pool.close(timeout=1)

    async def _keep_running(self, part: str, run: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
        warned_at = -REPEATED_WARNING_SECONDS
        # Not only the cancellation: while the database is away a worker raises an error of its own instead.
        while not stop.is_set():
            error_name = ""
            try:
                await cancel_on_clock_jump(run())
            except Exception as error:
                error_name = type(error).__name__
            if time.monotonic() - warned_at >= REPEATED_WARNING_SECONDS and not stop.is_set():
                warned_at = time.monotonic()
                log.warning("part of the workers begins again", extra={"kind": part, "error": error_name})
            await asyncio.sleep(RESTART_PAUSE_SECONDS)

    async def _defer_periodic(self) -> None:
        await reset_future_timestamps(self.connector.execute_query_async)
        await PeriodicDeferrer(self.app.periodic_registry, max_delay=MAX_CATCH_UP_SECONDS).worker()

    async def _work_on(self, queue: str) -> None:
        worker = QueueWorker(
            app=self.app,
            queues=[queue],
            name=queue,
            concurrency=self.concurrency[queue],
            fetch_job_polling_interval=POLLING_SECONDS,
            update_heartbeat_interval=5,
            stalled_worker_timeout=15,
            shutdown_graceful_timeout=ABANDON_JOBS_AFTER_SECONDS,
            delete_jobs="successful",
            install_signal_handlers=False,
            task_middleware=self.app.worker_defaults.get("task_middleware"),
            worker_middleware=[job_tracker.track],
        )
        job_tracker.workers.append(worker)
        try:
            await worker.run()  # type: ignore[no-untyped-call]
        finally:
            job_tracker.workers.remove(worker)


async def _autocommit(connection: AsyncConnection[Any]) -> None:
    """Every query of the bookkeeping is one statement."""
    await connection.set_autocommit(True)


def _with_connector(app: App, connector: PsycopgConnector) -> App:
    """The same tasks, which still defer by `app`, with bookkeeping and periodic defers by `connector`.

    Left to `app`, a periodic defer uses a Django connection in a thread that nobody closes: once broken, it stays so.
    """
    ours = App(connector=connector, worker_defaults=app.worker_defaults)
    ours.tasks = app.tasks
    ours.periodic_registry = PeriodicRegistry()  # type: ignore[no-untyped-call]
    for periodic in app.periodic_registry.periodic_tasks.values():
        task = copy.copy(periodic.task)
        task.blueprint = ours
        ours.periodic_registry.register_task(
            task, periodic.cron, periodic.periodic_id, {**periodic.configure_kwargs}
        )
    return ours
