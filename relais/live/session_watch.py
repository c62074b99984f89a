"""Re-authorises open sockets: each is closed with the session, the account or the reach it was opened by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from relais.live import auth
from relais.live.pool import Pool, borrow
from relais.live.protocol import LiveSource
from relais.live.socket import CloseCode, LiveSocket

RECHECK_INTERVAL_SECONDS = 20.0
"""All sockets are rechecked this often without any notification, because sessions also expire."""


class SessionWatch:
    def __init__(
        self, source: LiveSource, pool: Pool, *, on_viewer_changed: Callable[[LiveSocket], None]
    ) -> None:
        """`on_viewer_changed` is called for a socket whose viewer differs from the one it was opened by."""
        self.source = source
        self.pool = pool
        self.on_viewer_changed = on_viewer_changed
        self.sockets: set[LiveSocket] = set()
        self.pending: set[LiveSocket] = set()
        self.wake = asyncio.Event()

    def add(self, socket: LiveSocket) -> None:
        """Recheck it at once: the user may have signed out since the session was read."""
        self.sockets.add(socket)
        self.schedule_recheck([socket])

    def remove(self, socket: LiveSocket) -> None:
        self.sockets.discard(socket)

    def on_user_notify(self, payload: str) -> None:
        self.schedule_recheck(socket for socket in self.sockets if str(socket.viewer.id) == payload)

    def on_session_notify(self, payload: str) -> None:
        self.schedule_recheck(socket for socket in self.sockets if socket.session == payload)

    def schedule_recheck_of_all(self) -> None:
        self.schedule_recheck(self.sockets)

    def schedule_recheck(self, sockets: Iterable[LiveSocket]) -> None:
        self.pending.update(sockets)
        if self.pending:
            self.wake.set()

    async def recheck_pending(self) -> None:
        await self.wake.wait()
        self.wake.clear()
        sockets, self.pending = self.pending & self.sockets, set()
        try:
            await self._recheck(sockets)
        except Exception:
            self.schedule_recheck(sockets)
            raise

    async def _recheck(self, sockets: set[LiveSocket]) -> None:
        if not sockets:
            return
        async with borrow(self.pool) as db:
            viewers = await auth.viewers_by_session(self.source, db, {socket.session for socket in sockets})
        for socket in sockets:
            viewer = viewers.get(socket.session)
            if viewer is None:
                socket.close_soon(CloseCode.SIGNED_OUT)
            elif viewer != socket.viewer:
                has_other_reach = viewer.reach != socket.viewer.reach
                socket.viewer = viewer
                self.on_viewer_changed(socket)
                if has_other_reach:  # No effect if the call above closed it as out of reach.
                    socket.close_soon(CloseCode.RECONNECT)
