"""Those inside are asked again: a socket ends with the session, the account or the reach it was opened by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from relais.live import auth
from relais.live.pool import Pool, lent
from relais.live.protocol import LiveSource
from relais.live.socket import COME_BACK, SIGNED_OUT, Socket

ROUND = 20.0
"""Seconds after which everyone is asked again, whatever was told: sessions also run out by themselves."""


class Doorkeeper:
    def __init__(self, source: LiveSource, pool: Pool, *, changed: Callable[[Socket], None]) -> None:
        """`changed` is called for a socket whose viewer is not what he was."""
        self.source = source
        self.pool = pool
        self.changed = changed
        self.inside: set[Socket] = set()
        self.suspects: set[Socket] = set()
        self.stirred = asyncio.Event()

    def enter(self, socket: Socket) -> None:
        """Asked once more at once: he may have been signed out between the reading of his session and now."""
        self.inside.add(socket)
        self.suspect([socket])

    def leave(self, socket: Socket) -> None:
        self.inside.discard(socket)

    def hear_user(self, payload: str) -> None:
        self.suspect(socket for socket in self.inside if str(socket.viewer.id) == payload)

    def hear_session(self, payload: str) -> None:
        self.suspect(socket for socket in self.inside if socket.session == payload)

    def suspect_all(self) -> None:
        self.suspect(self.inside)

    def suspect(self, sockets: Iterable[Socket]) -> None:
        self.suspects.update(sockets)
        if self.suspects:
            self.stirred.set()

    async def ask(self) -> None:
        await self.stirred.wait()
        self.stirred.clear()
        suspects, self.suspects = self.suspects & self.inside, set()
        try:
            await self._ask(suspects)
        except Exception:
            self.suspect(suspects)
            raise

    async def _ask(self, suspects: set[Socket]) -> None:
        if not suspects:
            return
        async with lent(self.pool) as db:
            viewers = await auth.viewers(self.source, db, {socket.session for socket in suspects})
        for socket in suspects:
            viewer = viewers.get(socket.session)
            if viewer is None:
                socket.end(SIGNED_OUT)
            elif viewer != socket.viewer:
                moved = viewer.reach != socket.viewer.reach
                socket.viewer = viewer
                self.changed(socket)
                if moved:  # Unless it was closed for being out of reach: whoever comes back is asked anew.
                    socket.end(COME_BACK)
