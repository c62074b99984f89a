"""A clock that is set back would stop all that is periodic for as long: the worker remembers when each thing was last
due, in memory and in a table. Here it is noticed, and what seems to lie in the future forgotten."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

log = logging.getLogger(__name__)
LOOK_EVERY = 2.0
MUCH = 20.0
"""Seconds; what a clock is slowed down by to set it right is far less."""

FORGET_TICKS = """
delete from procrastinate_periodic_defers where defer_timestamp > extract(epoch from now()) + 5
"""
FORGET_LIFE = """
update procrastinate_workers set last_heartbeat = now() where last_heartbeat > now() + interval '5 seconds'
"""
FORGET_COMPLETIONS = "update job_completions set completed_at = now() where completed_at > now()"


async def forget_the_future(execute: Callable[[str], Awaitable[Any]]) -> None:
    """Ticks that were dealt with, signs of life that were given, and jobs done, at a time which is yet to come."""
    for statement in (FORGET_TICKS, FORGET_LIFE, FORGET_COMPLETIONS):
        await execute(statement)


async def as_long_as_time_goes_on(work: Awaitable[Any]) -> None:
    """Returns when the work ends, or ends it when the clock is set back, so that it can begin again."""
    working = asyncio.ensure_future(work)
    watching = asyncio.create_task(_until_set_back())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done() and not working.done():
            log.warning("the clock was set back: what is periodic begins again")
    finally:
        watching.cancel()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def _until_set_back() -> None:
    latest = _offset()
    while (offset := _offset()) > latest - MUCH:
        latest = max(latest, offset)
        await asyncio.sleep(LOOK_EVERY)


def _offset() -> float:
    return time.time() - time.monotonic()
