"""Guard against a clock that jumps backwards.

Procrastinate remembers, in memory and in a table, when each periodic job was last due: after a jump it would defer
none until the old time comes round again. The guard cancels the work so that it starts anew, and deletes timestamps
that lie in the future.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

log = logging.getLogger(__name__)
CHECK_INTERVAL_SECONDS = 2.0
MIN_JUMP_SECONDS = 20.0
"""Far more than a clock is slewed by when NTP corrects it."""

DELETE_FUTURE_DEFERS = """
delete from procrastinate_periodic_defers where defer_timestamp > extract(epoch from now()) + 5
"""
RESET_FUTURE_HEARTBEATS = """
update procrastinate_workers set last_heartbeat = now() where last_heartbeat > now() + interval '5 seconds'
"""
RESET_FUTURE_COMPLETIONS = "update job_completions set completed_at = now() where completed_at > now()"


async def reset_future_timestamps(execute: Callable[[str], Awaitable[Any]]) -> None:
    """Remove defers, heartbeats and completions that are dated later than now."""
    for statement in (DELETE_FUTURE_DEFERS, RESET_FUTURE_HEARTBEATS, RESET_FUTURE_COMPLETIONS):
        await execute(statement)


async def cancel_on_clock_jump(work: Awaitable[Any]) -> None:
    """Await `work`; cancel it and return when the clock jumps backwards, so that the caller can restart it."""
    task = asyncio.ensure_future(work)
    jump = asyncio.create_task(_wait_for_jump())
    try:
        await asyncio.wait({task, jump}, return_when=asyncio.FIRST_COMPLETED)
        if jump.done() and not task.done():
            log.warning("clock jumped backwards, restarting periodic work")
    finally:
        jump.cancel()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _wait_for_jump() -> None:
    latest = _offset()
    while (offset := _offset()) > latest - MIN_JUMP_SECONDS:
        latest = max(latest, offset)
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)


def _offset() -> float:
    """Of the wall clock from the monotonic one."""
    return time.time() - time.monotonic()
