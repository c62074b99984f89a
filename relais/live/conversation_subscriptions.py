"""Who looks at which thread, and the telling of what is new in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from relais.live import metrics
from relais.live.frames import Frame, caught_up
from relais.live.pool import Gate, Pool, lent
from relais.live.protocol import Change, ChangeBatch, ConversationVersion, LiveSource, TeamScope
from relais.live.rendering import Renderer
from relais.live.socket import OUT_OF_REACH, Socket

Frames: TypeAlias = Mapping[str, Mapping[Change, Frame]]
"""By language."""

READ = 1_000
"""ChangeBatch that one who catches up reads at a time; what he gets is bounded by how fast he takes it."""
TOLD = 100
"""More changes than this of one thread at once are not pushed: those who look read them for themselves."""
PACE = 0.01
"""Seconds between two rounds of telling: under load one round tells of several messages, at the price of one."""


@dataclass
class Watch:
    """A thread that someone looks at."""

    rev: int
    scope: TeamScope
    sockets: set[Socket] = field(default_factory=set)
    live: set[Socket] = field(default_factory=set)
    """Those that were told all up to `rev`, and are told what is new. The others still read what they missed."""


class Threads:
    def __init__(self, source: LiveSource, renderer: Renderer, pool: Pool, gate: Gate) -> None:
        self.source = source
        self.renderer = renderer
        self.pool = pool
        self.gate = gate
        self.watched: dict[int, Watch] = {}
        self.thread_of: dict[Socket, int] = {}
        self.dirty: set[int] = set()
        self.stirred = asyncio.Event()
        self.heard = self.last_round = 0.0

    # -- who looks ----------------------------------------------------------------------------------------

    def join(self, thread: int, socket: Socket, version: ConversationVersion) -> None:
        self.watched.setdefault(thread, Watch(version.rev, version.scope)).sockets.add(socket)
        self.thread_of[socket] = thread
        self.hear([thread])  # What came between the reading of the version and now was told to nobody.

    def leave(self, socket: Socket) -> None:
        thread = self.thread_of.pop(socket, None)
        if thread is not None:
            self.watched[thread].sockets.discard(socket)
            self.watched[thread].live.discard(socket)
            if not self.watched[thread].sockets:
                del self.watched[thread]

    def look_again(self, socket: Socket) -> None:
        """His reach may be another now, or the thread may stand elsewhere."""
        if socket in self.thread_of:
            scope = self.watched[self.thread_of[socket]].scope
            if not self.source.may_see(socket.viewer, scope):
                socket.end(OUT_OF_REACH)

    async def frames(self, thread: int, socket: Socket, rev: int) -> AsyncIterator[Frame]:
        """For one socket that joined: what it missed since `rev`, that it has caught up, and then all that is new.

        While it catches up nothing is queued for it: it reads on until it stands where the others do.
        """
        watch, greeted = self.watched[thread], False
        while True:
            batch = await self._changes(thread, rev)
            async for frame in self.renderer.missed(batch.changes, socket.viewer.language):
                yield frame
            rev = batch.until_rev
            if not batch.is_complete or rev < watch.rev:
                continue
            watch.live.add(socket)
            if not greeted:
                greeted = True
                yield caught_up(rev)
            caught = rev
            async for frame in socket.pushed():
                if frame.rev > caught:
                    rev = frame.rev
                    yield frame

    async def since(self, thread: int, rev: int, language: str) -> AsyncIterator[Frame]:
        """All that is newer than `rev`, and that this was all."""
        while True:
            batch = await self._changes(thread, rev)
            async for frame in self.renderer.missed(batch.changes, language):
                yield frame
            rev = batch.until_rev
            if batch.is_complete:
                break
        yield caught_up(rev)

    async def _changes(self, thread: int, rev: int) -> ChangeBatch:
        async with self.gate.lent() as db:
            return (await self.source.changes(db, {thread: rev}, READ))[thread]

    # -- telling ------------------------------------------------------------------------------------------

    def hear(self, threads: Iterable[int]) -> None:
        self.dirty.update(self.watched.keys() & set(threads))
        if self.dirty and not self.stirred.is_set():
            self.heard = time.monotonic()
            self.stirred.set()

    def hear_all(self) -> None:
        self.hear(self.watched)

    async def look_round(self) -> None:
        """The net under the notifications: has anything moved of which we were not told?"""
        if self.watched:
            async with lent(self.pool) as db:
                versions = await self.source.versions(db, list(self.watched))
            self.hear(
                t
                for t, version in versions.items()
                if t in self.watched and version.rev > self.watched[t].rev
            )

    async def tell(self) -> None:
        """Once there is news: read it of all threads at once, render it, and hand it to those who look."""
        await self.stirred.wait()
        await asyncio.sleep(self.last_round + PACE - time.monotonic())
        heard, self.last_round = self.heard, time.monotonic()
        self.stirred.clear()
        threads, self.dirty = self.dirty, set()
        try:
            await self._tell({thread: self.watched[thread] for thread in threads if thread in self.watched})
            metrics.LAG.observe(time.monotonic() - heard)
        except Exception:
            self.hear(threads)
            raise

    async def _tell(self, watches: Mapping[int, Watch]) -> None:
        if not watches:
            return
        async with lent(self.pool) as db:
            since = {thread: watch.rev for thread, watch in watches.items()}
            news = await self.source.changes(db, since, TOLD)
        for thread, batch in news.items():
            watches[thread].scope = batch.version.scope
            for socket in list(watches[thread].sockets):
                self.look_again(socket)
        changes = [change for batch in news.values() if batch.is_complete for change in batch.changes]
        languages = {socket.viewer.language for watch in watches.values() for socket in watch.live}
        frames = {language: await self.renderer.parts(changes, language) for language in languages}
        # From here on without a pause: whoever goes live stands before all of this, or after all of it.
        for thread, batch in news.items():
            self._push(watches[thread], batch, frames)

    def _push(self, watch: Watch, batch: ChangeBatch, frames: Frames) -> None:
        """Nothing to a socket in a language that nobody had when the frames were made: it reads for itself."""
        if not batch.is_complete:
            watch.live, behind = set(), watch.live
            for socket in behind:
                socket.push(None)
        for socket in list(watch.live):
            told = frames.get(socket.viewer.language)
            if told is None:
                watch.live.discard(socket)
                socket.push(None)
                continue
            for change in batch.changes:
                if change in told:
                    socket.push(told[change])
        watch.rev = batch.version.rev
