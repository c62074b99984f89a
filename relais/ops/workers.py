"""Procrastinate's workers, one per queue, and the deferrer of periodic jobs beside them.

Each of them restarts by itself within seconds after its database connection breaks. Their bookkeeping has a small
connection pool of its own; the jobs that a job defers still join Django's transaction.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from relais.periodic_jobs import PeriodicJob

log = logging.getLogger(__name__)
RESTART_PAUSE_SECONDS = 1.0
WARNING_INTERVAL_SECONDS = 60.0
ABANDON_JOBS_AFTER_SECONDS = 0.5
"""How long a worker whose connection broke waits for its running jobs before a new worker replaces it."""
POLLING_SECONDS = 2.0
"""Only retries wait for it: the worker is notified of all other jobs."""
POOL_TIMEOUT_SECONDS = 3.0
POOL_RECONNECT_SECONDS = 2.0
"""The pool's own retries have growing pauses. It gives up early, and the next query makes it retry at once."""
POOL_CONNECTIONS = 4
MAX_CATCH_UP_SECONDS = 86_400
"""A periodic job that fell due while no deferrer ran is run once afterwards, unless it is older than this."""


class QueueWorker(Worker):
    """A worker that does not defer periodic jobs, and does not wait forever for jobs that it cannot stop."""

    async def _periodic_deferrer(self) -> None:
        """Deferring runs separately. Never return: the first side task to end also ends the watch over the others."""
        await asyncio.Event().wait()

    async def _abort_running_jobs(self) -> None:
        """A synchronous job cannot be stopped. Its task continues in the event loop and records the outcome."""
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
        shutdown_timeout_seconds: float,
        periodic_jobs: Sequence[PeriodicJob] = (),
        connection_class: type[AsyncConnection[Any]] = AsyncConnection,
    ) -> None:
        """`concurrency`: how many jobs of each queue run at once. At shutdown they get `shutdown_timeout_seconds`."""
        self.concurrency = concurrency
        self.shutdown_timeout_seconds = shutdown_timeout_seconds
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
        self.app = _with_connector(app, self.connector, periodic_jobs)

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
                worker.shutdown_graceful_timeout = self.shutdown_timeout_seconds
            for part in parts:
                part.cancel()
            await asyncio.wait(parts)
            await self.pool.close(timeout=1)

    async def _keep_running(self, part: str, run: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
        warned_at = -WARNING_INTERVAL_SECONDS
        # Check `stop` as well: without a database a worker raises an error of its own instead of CancelledError.
        while not stop.is_set():
            error_name = ""
            try:
                await cancel_on_clock_jump(run())
            except Exception as error:
                error_name = type(error).__name__
            if time.monotonic() - warned_at >= WARNING_INTERVAL_SECONDS and not stop.is_set():
                warned_at = time.monotonic()
                log.warning("worker restarted", extra={"kind": part, "error": error_name})
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


def _with_connector(app: App, connector: PsycopgConnector, periodic_jobs: Sequence[PeriodicJob]) -> App:
    """The same tasks, which still defer with `app`; bookkeeping and periodic defers use `connector`.

    With `app`, a periodic defer would use a Django connection in a thread where nobody closes it: once broken, it stays
    broken.
    """
    worker_app = App(connector=connector, worker_defaults=app.worker_defaults)
    worker_app.tasks = app.tasks
    worker_app.periodic_registry = PeriodicRegistry()  # type: ignore[no-untyped-call]
    for job in periodic_jobs:
        task = copy.copy(app.tasks[job.task])
        task.blueprint = worker_app
        worker_app.periodic_registry.register_task(task, job.cron, periodic_id="", configure_kwargs={})
    return worker_app
