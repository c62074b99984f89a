"""Who has a page open anywhere: stored as leases, so that it holds for several web processes and over restarts.

Each process renews the leases of the users of its own sockets, and ends one when the last of them closes; no process
leads. What follows from presence is not decided here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import datetime

from django.db import connection

from relais.db_connection import releasing_connection
from relais.live.pool import Pool, borrow
from relais.live.socket import NEVER, LiveSocket

RENEW_INTERVAL_SECONDS = 8.0
LEASE_SECONDS = 20.0
POLL_LEASE_SECONDS = 12.0
"""Pages without a socket poll every five seconds."""
NEVER_IDLE_SECONDS = 86_400.0
MIN_WRITE_INTERVAL_SECONDS = 0.5
"""A thousand sockets that connect at once are a few statements."""
KEPT_FOR_DAYS = 1
REQUEST_PROCESS = "request"
"""The lease of whoever acts without a socket."""

# Ordered, so that two processes that renew leases of the same users never deadlock.
STORE_LEASES = """
insert into presence_leases (user_id, process, until, active_at)
select user_id, %s, now() + make_interval(secs => ahead), now() - make_interval(secs => idle)
  from unnest(%s::bigint[], %s::float8[], %s::float8[]) as t(user_id, ahead, idle)
 order by user_id
    on conflict (user_id, process) do update
   set until = excluded.until, active_at = greatest(presence_leases.active_at, excluded.active_at)
"""
DELETE_SUPERSEDED_LEASES = """
delete from presence_leases old using presence_leases newer
 where newer.user_id = old.user_id and newer.until > old.until and old.until < now() - make_interval(days => %s)
"""
STORE_REQUEST_LEASE = """
insert into presence_leases (user_id, process, until, active_at) values (%s, %s, %s, %s)
    on conflict (user_id, process) do update
   set until = greatest(presence_leases.until, excluded.until),
       active_at = greatest(presence_leases.active_at, excluded.active_at)
"""


PageHandler = Callable[[Collection[int]], None]
_page_handlers: list[PageHandler] = []


def handles_opened_pages(handler: PageHandler) -> PageHandler:
    """Register a function that is called in a thread with the users who just opened a page, once their leases stand."""
    _page_handlers.append(handler)
    return handler


class UserPresence:
    def __init__(self, process: str, pool: Pool, sockets: Iterable[LiveSocket]) -> None:
        """`sockets` are the open sockets of this process, as a live view."""
        self.process = process
        self.pool = pool
        self.sockets = sockets
        self.changed: dict[int, tuple[float, float]] = {}
        """By user whose lease is due now: for how long, and when he was last active by the monotonic clock."""
        self.opened: set[int] = set()
        """Users whose pages the handlers were not told of yet."""
        self.renewed_at = 0.0
        self.wake = asyncio.Event()

    def on_page_opened(self, socket: LiveSocket) -> None:
        self.opened.add(socket.viewer.id)
        self.on_socket_change(socket)

    def on_socket_change(self, socket: LiveSocket) -> None:
        """It was opened or closed, or its user became active again."""
        self._mark_changed(socket.viewer.id, 0.0, socket.active_at)

    def on_poll(self, user: int, *, is_active: bool) -> None:
        """A page without a socket asked."""
        self._mark_changed(user, POLL_LEASE_SECONDS, time.monotonic() if is_active else NEVER)

    def _mark_changed(self, user: int, ahead: float, active_at: float) -> None:
        _ahead, known_active_at = self.changed.get(user, (0.0, NEVER))
        self.changed[user] = ahead, max(active_at, known_active_at)
        self.wake.set()

    def on_connect(self) -> None:
        self.renewed_at = 0.0
        self.wake.set()

    async def store_leases(self) -> None:
        """Wait until leases are due, and store them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self.renewed_at + RENEW_INTERVAL_SECONDS - time.monotonic())):
                await self.wake.wait()
        self.wake.clear()
        now = time.monotonic()
        changed, self.changed = self.changed, {}
        is_renewal = now - self.renewed_at >= RENEW_INTERVAL_SECONDS
        try:
            await self._store(self._due(changed, everybody=is_renewal), now)
        except Exception:
            for user, (ahead, active_at) in changed.items():
                self._mark_changed(user, ahead, active_at)
            raise
        if is_renewal:
            self.renewed_at = now
        await self._call_page_handlers()
        await asyncio.sleep(MIN_WRITE_INTERVAL_SECONDS)

    async def _call_page_handlers(self) -> None:
        opened, self.opened = self.opened, set()
        if not opened:
            return
        try:
            await asyncio.to_thread(_call_page_handlers, sorted(opened))
        except Exception:
            self.opened |= opened
            self.wake.set()
            raise

    def _due(
        self, changed: dict[int, tuple[float, float]], *, everybody: bool
    ) -> dict[int, tuple[float, float]]:
        """`changed`, and the users of open sockets: those among them, or everybody."""
        due = changed.copy()
        for socket in self.sockets:
            user = socket.viewer.id
            if everybody or user in due:
                _ahead, active_at = due.get(user, (0.0, NEVER))
                due[user] = LEASE_SECONDS, max(active_at, socket.active_at)
        return due

    async def _store(self, due: dict[int, tuple[float, float]], now: float) -> None:
        async with borrow(self.pool) as db:
            if due:
                aheads = [ahead for ahead, _active_at in due.values()]
                idles = [now - each if each != NEVER else NEVER_IDLE_SECONDS for _ahead, each in due.values()]
                await db.execute(STORE_LEASES, [self.process, [*due], aheads, idles])
            if not self.renewed_at:
                await db.execute(DELETE_SUPERSEDED_LEASES, [KEPT_FOR_DAYS])


def _call_page_handlers(users: Collection[int]) -> None:
    with releasing_connection():
        for handler in _page_handlers:
            handler(users)


def record_request(user: int, *, at: datetime) -> None:
    """The user acts, with or without an open page."""
    with connection.cursor() as cursor:
        cursor.execute(STORE_REQUEST_LEASE, [user, REQUEST_PROCESS, at, at])
