"""`relais jobs`: the sender and the workers of all queues in one process. Wiring only.

The queues are listed in `job_queues.py`, the periodic jobs in `periodic_jobs.py`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import django
from django.db import DatabaseError, InterfaceError

from relais.db_connection import release_connection, releasing_connection
from relais.job_queues import QUEUE_CONCURRENCY
from relais.periodic_jobs import PERIODIC_JOBS

if TYPE_CHECKING:
    from relais.whatsapp.outbound.sender import Sender

log = logging.getLogger(__name__)
SHUTDOWN_TIMEOUT_SECONDS = 8
"""How long running jobs and calls to Twilio may take to finish after a stop signal."""
STARTED_AT = time.monotonic()
MAX_RUNNING_JOBS = sum(QUEUE_CONCURRENCY.values())
JOB_THREADS = 2 * MAX_RUNNING_JOBS
"""Jobs of a worker that restarted may still hold threads. Sender and heartbeat have threads of their own."""


def run() -> int:
    """Run until SIGTERM or SIGINT, then finish claimed messages and running jobs. Return 0, or 1 after an error."""
    django.setup()
    from relais.ops.watch.metrics_store import storing_metrics

    with storing_metrics("jobs"):
        return asyncio.run(_run())


async def _run() -> int:
    from relais.ops.job_tracker import job_tracker
    from relais.whatsapp.outbound.sender import Sender

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(JOB_THREADS, thread_name_prefix="jobs"))
    service_threads = ThreadPoolExecutor(2, thread_name_prefix="jobs-service")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sender = Sender()
    sending = asyncio.ensure_future(loop.run_in_executor(service_threads, sender.run))
    working = asyncio.create_task(_run_workers(stop))
    beating = asyncio.create_task(_write_heartbeats(sender, service_threads))
    parts: set[asyncio.Future[Any]] = {sending, working, beating}
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({*parts, stopping}, return_when=asyncio.FIRST_COMPLETED)
    failed = not stop.is_set()
    stop.set()
    sender.stop()
    beating.cancel()
    working.cancel()
    _done, unfinished = await asyncio.wait(parts, timeout=SHUTDOWN_TIMEOUT_SECONDS)
    for part in parts - unfinished:
        if not part.cancelled() and (error := part.exception()):
            log.error("part of the process failed", exc_info=error)
    if unfinished or job_tracker.running_count:
        # A hanging call to Twilio cannot be cancelled: its claim stays and becomes uncertain when its lease expires.
        log.warning("shutdown timed out with jobs running")
        logging.shutdown()
        os._exit(1 if failed else 0)
    return 1 if failed else 0


async def _run_workers(stop: asyncio.Event) -> None:
    from procrastinate.contrib.django import app

    from relais.live.pool import ListeningConnection, conninfo
    from relais.ops.workers import Workers

    for task in app.tasks.values():
        if not asyncio.iscoroutinefunction(task.func):
            task.func = releasing_connection()(task.func)
    workers = Workers(
        app,
        QUEUE_CONCURRENCY,
        conninfo=conninfo(),
        shutdown_timeout_seconds=SHUTDOWN_TIMEOUT_SECONDS - 1,
        periodic_jobs=PERIODIC_JOBS,
        connection_class=ListeningConnection,
    )
    await workers.run(stop)


async def _write_heartbeats(sender: Sender, threads: ThreadPoolExecutor) -> None:
    from relais.ops.health import HEARTBEAT_INTERVAL_SECONDS

    loop = asyncio.get_running_loop()
    while True:
        written = loop.run_in_executor(threads, _write_heartbeat, sender)
        await asyncio.gather(written, asyncio.sleep(HEARTBEAT_INTERVAL_SECONDS))


def _write_heartbeat(sender: Sender) -> None:
    from relais.ops.health import SENDER_STALE_AFTER_SECONDS, record_completions, record_heartbeat
    from relais.ops.job_tracker import job_tracker

    try:
        now, completed = time.monotonic(), job_tracker.unrecorded()
        record_completions({name: now - at for name, at in completed.items()})
        job_tracker.mark_recorded(completed)
        record_heartbeat("jobs", uptime_seconds=now - STARTED_AT)
        if time.monotonic() - sender.last_poll_at < SENDER_STALE_AFTER_SECONDS:
            record_heartbeat("sender")
    except (DatabaseError, InterfaceError) as error:
        log.warning("heartbeat could not be written", extra={"error": type(error).__name__})
    except Exception:
        log.exception("heartbeat failed")
    finally:
        release_connection()
