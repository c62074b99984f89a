"""`relais jobs`: the sender and the worker in one process. Wiring only."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from django.db import DatabaseError, InterfaceError, connection

from relais.ops.set_back import as_long_as_time_goes_on, forget_the_future

log = logging.getLogger(__name__)
PATIENCE = 8
"""Seconds that running jobs and calls get at the end."""
BEAT_EVERY = 2.0
FRESH = 10.0
AT_ONCE = 10
"""Jobs at work. Each has a thread, and so have the sender and the signs of life: no slow host may take theirs."""


def run() -> int:
    """Until SIGTERM or SIGINT; then claims are finished, and 0 is returned."""
    django.setup()
    from relais.ops.watch.keeping import keeping

    with keeping("jobs"):
        return asyncio.run(_run())


async def _run() -> int:
    from relais.whatsapp.sender import Sender

    stop = asyncio.Event()
    asyncio.get_running_loop().set_default_executor(
        ThreadPoolExecutor(AT_ONCE + 3, thread_name_prefix="jobs")
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    sender = Sender()
    carrying = asyncio.create_task(asyncio.to_thread(sender.run))
    working = asyncio.create_task(_work(stop))
    beating = asyncio.create_task(_beat(sender))
    await asyncio.wait([asyncio.create_task(stop.wait()), carrying], return_when=asyncio.FIRST_COMPLETED)
    failed = carrying.done() and not stop.is_set()
    sender.stop()
    beating.cancel()
    working.cancel()
    _done, late = await asyncio.wait([carrying, working, beating], timeout=PATIENCE)
    if late:
        # A call to Twilio that hangs cannot be taken back: its claim stays, and is doubted when its lease ends.
        log.warning("left with work under way")
        logging.shutdown()
        os._exit(0)
    return 1 if failed else 0


async def _work(stop: asyncio.Event) -> None:
    """The worker ends by itself when the database is away for a while: begin again until it is back."""
    from procrastinate.contrib.django import app

    for task in app.tasks.values():
        if not asyncio.iscoroutinefunction(task.func):
            task.func = _returning_its_connection(task.func)
    # Only the worker's own bookkeeping leaves Django's connection: what a job defers still joins its transaction.
    connector = app.connector.get_worker_connector()  # type: ignore[attr-defined]
    with_own_pool = app.with_connector(connector)
    # Not only the cancellation: with the database away the worker swallows it for an error of its own.
    while not stop.is_set():
        try:
            async with with_own_pool.open_async():
                await forget_the_future(connector.execute_query_async)
                await as_long_as_time_goes_on(
                    with_own_pool.run_worker_async(
                        concurrency=AT_ONCE,
                        fetch_job_polling_interval=1,
                        update_heartbeat_interval=3,
                        stalled_worker_timeout=15,
                        shutdown_graceful_timeout=PATIENCE - 1,
                        delete_jobs="successful",
                        install_signal_handlers=False,
                    )
                )
        except Exception as error:
            log.warning("the worker stopped and begins again", extra={"error": type(error).__name__})
        await asyncio.sleep(1)


def _returning_its_connection(work: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(work)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return work(*args, **kwargs)
        finally:
            connection.close()

    return wrapped


async def _beat(sender: Any) -> None:
    while True:
        await asyncio.gather(asyncio.to_thread(_write_beats, sender), asyncio.sleep(BEAT_EVERY))


def _write_beats(sender: Any) -> None:
    from relais.ops.health import beat

    try:
        beat("jobs")
        if time.monotonic() - sender.looked_at < FRESH:
            beat("sender")
    except (DatabaseError, InterfaceError) as error:
        log.warning("no sign of life could be left", extra={"error": type(error).__name__})
    finally:
        connection.close()
