"""Who looks at which thread, and the telling of what is new in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field

from relais.live.frames import Frame, caught_up
from relais.live.pool import Pool
from relais.live.rendering import SLICE, Renderer
from relais.live.socket import OUT_OF_REACH, Socket
from relais.live.source import Changes, Head, Place, Source


@dataclass
class Watch:
    """A thread that someone looks at: all up to `rev` was told to them."""

    rev: int
    place: Place
    sockets: set[Socket] = field(default_factory=set)


class Threads:
    def __init__(self, source: Source, renderer: Renderer, pool: Pool) -> None:
        self.source = source
        self.renderer = renderer
        self.pool = pool
        self.watched: dict[int, Watch] = {}
        self.thread_of: dict[Socket, int] = {}
        self.dirty: set[int] = set()
        self.stirred = asyncio.Event()

    # -- who looks ----------------------------------------------------------------------------------------

    def join(self, thread: int, socket: Socket, head: Head) -> None:
        self.watched.setdefault(thread, Watch(head.rev, head.place)).sockets.add(socket)
        self.thread_of[socket] = thread
        self.hear([thread])  # What came between the reading of `head` and now was told to nobody.

    def leave(self, socket: Socket) -> None:
        thread = self.thread_of.pop(socket, None)
        if thread is not None:
            self.watched[thread].sockets.discard(socket)
            if not self.watched[thread].sockets:
                del self.watched[thread]

    def look_again(self, socket: Socket) -> None:
        """His reach may be another now, or the thread may stand elsewhere."""
        if socket in self.thread_of:
            place = self.watched[self.thread_of[socket]].place
            if not self.source.may_see(socket.viewer, place):
                socket.end(OUT_OF_REACH)

    async def frames(self, thread: int, socket: Socket, rev: int) -> AsyncIterator[Frame]:
        """For one socket that joined: what it missed since `rev`, that it has caught up, and then all that is new."""
        async for frame in self.since(thread, rev, socket.viewer.language):
            yield frame
            rev = frame.rev
        async for frame in socket.pushed():
            if frame.rev > rev:
                yield frame

    async def since(self, thread: int, rev: int, language: str) -> AsyncIterator[Frame]:
        """All that is newer than `rev`, and that this was all."""
        async with self.pool.connection() as db:
            changes = (await self.source.changes(db, {thread: rev}))[thread]
        for start in range(0, len(changes.marks), SLICE):
            for frame in (await self.renderer.parts(changes.marks[start : start + SLICE], language)).values():
                yield frame
        yield caught_up(changes.head.rev)

    # -- telling ------------------------------------------------------------------------------------------

    def hear(self, threads: Iterable[int]) -> None:
        self.dirty.update(self.watched.keys() & set(threads))
        if self.dirty:
            self.stirred.set()

    def hear_all(self) -> None:
        self.hear(self.watched)

    async def look_round(self) -> None:
        """The net under the notifications: has anything moved of which we were not told?"""
        if self.watched:
            async with self.pool.connection() as db:
                heads = await self.source.heads(db, list(self.watched))
            self.hear(t for t, head in heads.items() if t in self.watched and head.rev > self.watched[t].rev)

    async def tell(self) -> None:
        """Once there is news: read it of all threads at once, render it, and hand it to those who look."""
        await self.stirred.wait()
        self.stirred.clear()
        threads, self.dirty = self.dirty, set()
        try:
            await self._tell({thread: self.watched[thread] for thread in threads if thread in self.watched})
        except Exception:
            self.hear(threads)
            raise

    async def _tell(self, watches: Mapping[int, Watch]) -> None:
        if not watches:
            return
        async with self.pool.connection() as db:
            news = await self.source.changes(db, {thread: watch.rev for thread, watch in watches.items()})
        for thread, changes in news.items():
            watches[thread].place = changes.head.place
            for socket in watches[thread].sockets:
                self.look_again(socket)
        for language in {socket.viewer.language for watch in watches.values() for socket in watch.sockets}:
            await self._tell_in(language, watches, news)
        for thread, changes in news.items():
            watches[thread].rev = changes.head.rev

    async def _tell_in(
        self, language: str, watches: Mapping[int, Watch], news: Mapping[int, Changes]
    ) -> None:
        frames = await self.renderer.parts([m for changes in news.values() for m in changes.marks], language)
        for mark, frame in frames.items():
            for socket in watches[mark.thread].sockets:
                if socket.viewer.language == language:
                    socket.push(frame)
