"""`relais jobs`: the sender and the workers in one process. Wiring only."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import django
from django.db import DatabaseError, InterfaceError

from relais.db_connection import release_connection

if TYPE_CHECKING:
    from relais.whatsapp.outbound.sender import Sender

log = logging.getLogger(__name__)
QUEUE_CONCURRENCY = {
    "default": 10,
    "flow_requests": 16,
    "media": 3,
}
"""How many jobs of each queue are at work at once. A queue has a worker of its own: its slow jobs take no slot of
another queue's. A task belongs to the queue that its `@app.task(queue=…)` names."""
PATIENCE = 8
"""Seconds that running jobs and calls get at the end."""
BEAT_EVERY = 4.0
FRESH = 10.0
BEGAN_AT = time.monotonic()
AT_ONCE = sum(QUEUE_CONCURRENCY.values())
JOB_THREADS = 2 * AT_ONCE
"""Jobs whose worker had to begin again may still hold theirs. Sender and heartbeat have threads of their own."""


def run() -> int:
    """Until SIGTERM or SIGINT; then claims are finished, and 0 is returned."""
    django.setup()
    from relais.ops.watch.metrics_store import keeping

    with keeping("jobs"):
        return asyncio.run(_run())


async def _run() -> int:
    from relais.ops.job_tracker import job_tracker
    from relais.whatsapp.outbound.sender import Sender

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(JOB_THREADS, thread_name_prefix="jobs"))
    own_threads = ThreadPoolExecutor(2, thread_name_prefix="jobs-own")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sender = Sender()
    carrying = asyncio.ensure_future(loop.run_in_executor(own_threads, sender.run))
    working = asyncio.create_task(_work(stop))
    beating = asyncio.create_task(_beat(sender, own_threads))
    parts: set[asyncio.Future[Any]] = {carrying, working, beating}
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({*parts, stopping}, return_when=asyncio.FIRST_COMPLETED)
    failed = not stop.is_set()
    stop.set()
    sender.stop()
    beating.cancel()
    working.cancel()
    _done, late = await asyncio.wait(parts, timeout=PATIENCE)
    for part in parts - late:
        if not part.cancelled() and (error := part.exception()):
            log.error("part of the process failed", exc_info=error)
    if late or job_tracker.running_count:
        # A call to Twilio that hangs cannot be taken back: its claim stays, and is doubted when its lease ends.
        log.warning("left with work under way")
        logging.shutdown()
        os._exit(1 if failed else 0)
    return 1 if failed else 0


async def _work(stop: asyncio.Event) -> None:
    from procrastinate.contrib.django import app

    from relais.live.pool import ListeningConnection, conninfo
    from relais.ops.workers import Workers

    for task in app.tasks.values():
        if not asyncio.iscoroutinefunction(task.func):
            task.func = _returning_its_connection(task.func)
    workers = Workers(
        app,
        QUEUE_CONCURRENCY,
        conninfo=conninfo(),
        jobs_end_within=PATIENCE - 1,
        connection_class=ListeningConnection,
    )
    await workers.run(stop)


def _returning_its_connection(work: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(work)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return work(*args, **kwargs)
        finally:
            release_connection()

    return wrapped


async def _beat(sender: Sender, threads: ThreadPoolExecutor) -> None:
    loop = asyncio.get_running_loop()
    while True:
        beat = loop.run_in_executor(threads, _write_beats, sender)
        await asyncio.gather(beat, asyncio.sleep(BEAT_EVERY))


def _write_beats(sender: Sender) -> None:
    from relais.ops.health import record_completions, record_heartbeat
    from relais.ops.job_tracker import job_tracker

    try:
        now, completed = time.monotonic(), job_tracker.unrecorded()
        record_completions({name: now - at for name, at in completed.items()})
        job_tracker.mark_recorded(completed)
        record_heartbeat("jobs", uptime_seconds=now - BEGAN_AT)
        if time.monotonic() - sender.looked_at < FRESH:
            record_heartbeat("sender")
    except (DatabaseError, InterfaceError) as error:
        log.warning("no sign of life could be left", extra={"error": type(error).__name__})
    except Exception:
        log.exception("heartbeat failed")
    finally:
        release_connection()
