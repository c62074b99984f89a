"""Subscriptions to conversations: a socket first catches up from the database, then new changes are broadcast to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from relais.live import metrics
from relais.live.frames import Frame, caught_up
from relais.live.pool import LimitedPool, Pool, borrow
from relais.live.protocol import Change, ChangeBatch, ConversationVersion, LiveSource, TeamScope
from relais.live.rendering import Renderer
from relais.live.socket import CloseCode, LiveSocket

FramesByLanguage: TypeAlias = Mapping[str, Mapping[Change, Frame]]

CATCH_UP_BATCH_SIZE = 1_000
"""Changes a socket reads at once while it catches up. How fast it takes the frames bounds how many it is sent."""
MAX_BROADCAST_CHANGES = 100
"""If more changes of one conversation arrive at once, they are not broadcast: each socket reads them by itself."""
BROADCAST_INTERVAL_SECONDS = 0.01
"""Under load one round then broadcasts several messages at the cost of one."""


@dataclass
class Channel:
    """A conversation with at least one subscribed socket."""

    rev: int
    scope: TeamScope
    sockets: set[LiveSocket] = field(default_factory=set)
    live: set[LiveSocket] = field(default_factory=set)
    """Sockets that have everything up to `rev` and receive broadcasts. The others are still catching up."""


class ConversationSubscriptions:
    def __init__(
        self, source: LiveSource, renderer: Renderer, pool: Pool, catch_up_pool: LimitedPool
    ) -> None:
        self.source = source
        self.renderer = renderer
        self.pool = pool
        self.catch_up_pool = catch_up_pool
        self.channels: dict[int, Channel] = {}
        self.conversation_of: dict[LiveSocket, int] = {}
        self.changed: set[int] = set()
        self.wake = asyncio.Event()
        self.notified_at = self.broadcast_at = 0.0

    # -- subscribing --------------------------------------------------------------------------------------

    def subscribe(self, conversation: int, socket: LiveSocket, version: ConversationVersion) -> None:
        self.channels.setdefault(conversation, Channel(version.rev, version.scope)).sockets.add(socket)
        self.conversation_of[socket] = conversation
        # A change between the read of `version` and now was broadcast to nobody.
        self.on_notify([conversation])

    def sockets_of(self, conversation: int) -> list[LiveSocket]:
        channel = self.channels.get(conversation)
        return list(channel.sockets) if channel else []

    def unsubscribe(self, socket: LiveSocket) -> None:
        conversation = self.conversation_of.pop(socket, None)
        if conversation is not None:
            channel = self.channels[conversation]
            channel.sockets.discard(socket)
            channel.live.discard(socket)
            if not channel.sockets:
                del self.channels[conversation]

    def readers(self, conversation: int | None) -> set[int]:
        """The users who have this conversation in front of them, here."""
        channel = self.channels.get(conversation) if conversation is not None else None
        return {socket.viewer.id for socket in channel.sockets if socket.is_visible} if channel else set()

    def close_if_out_of_reach(self, socket: LiveSocket) -> None:
        """Called when the viewer's reach or the conversation's scope may have changed."""
        if socket in self.conversation_of:
            scope = self.channels[self.conversation_of[socket]].scope
            if not self.source.may_see(socket.viewer, scope):
                socket.close_soon(CloseCode.OUT_OF_REACH)

    async def stream(self, conversation: int, socket: LiveSocket, rev: int) -> AsyncIterator[Frame]:
        """The frames of a subscribed socket: what it missed since `rev`, `caught-up`, then everything new.

        Nothing is queued while it catches up: it reads on from the database until it has reached the live sockets.
        """
        channel, is_greeted = self.channels[conversation], False
        while True:
            batch = await self._read_changes(conversation, rev)
            async for frame in self.renderer.catch_up_frames(batch.changes, socket.viewer.language):
                yield frame
            rev = batch.until_rev
            if not batch.is_complete or rev < channel.rev:
                continue
            channel.live.add(socket)
            if not is_greeted:
                is_greeted = True
                yield caught_up(rev)
            caught_up_rev = rev
            async for frame in socket.frames_until_gap():
                if not frame.rev:
                    yield frame  # Ephemeral: it belongs to no rev.
                elif frame.rev > caught_up_rev:
                    rev = frame.rev
                    yield frame

    async def frames_since(self, conversation: int, rev: int, language: str) -> AsyncIterator[Frame]:
        """Everything newer than `rev`, then `caught-up`."""
        while True:
            batch = await self._read_changes(conversation, rev)
            async for frame in self.renderer.catch_up_frames(batch.changes, language):
                yield frame
            rev = batch.until_rev
            if batch.is_complete:
                break
        yield caught_up(rev)

    async def _read_changes(self, conversation: int, rev: int) -> ChangeBatch:
        async with self.catch_up_pool.borrow() as db:
            return (await self.source.changes(db, {conversation: rev}, CATCH_UP_BATCH_SIZE))[conversation]

    # -- broadcasting -------------------------------------------------------------------------------------

    def on_notify(self, conversations: Iterable[int]) -> None:
        self.changed.update(self.channels.keys() & set(conversations))
        if self.changed and not self.wake.is_set():
            self.notified_at = time.monotonic()
            self.wake.set()

    def mark_all_changed(self) -> None:
        self.on_notify(self.channels)

    async def poll(self) -> None:
        """Find changes whose notification was lost."""
        if self.channels:
            async with borrow(self.pool) as db:
                versions = await self.source.versions(db, list(self.channels))
            self.on_notify(
                conversation
                for conversation, version in versions.items()
                if conversation in self.channels and version.rev > self.channels[conversation].rev
            )

    async def broadcast_changes(self) -> None:
        """Wait for changes, read those of all conversations at once, render them, and push them to the live sockets."""
        await self.wake.wait()
        await asyncio.sleep(self.broadcast_at + BROADCAST_INTERVAL_SECONDS - time.monotonic())
        notified_at, self.broadcast_at = self.notified_at, time.monotonic()
        self.wake.clear()
        changed, self.changed = self.changed, set()
        try:
            await self._broadcast({c: self.channels[c] for c in changed if c in self.channels})
            metrics.LAG.observe(time.monotonic() - notified_at)
        except Exception:
            self.on_notify(changed)
            raise

    async def _broadcast(self, channels: Mapping[int, Channel]) -> None:
        if not channels:
            return
        async with borrow(self.pool) as db:
            since = {conversation: channel.rev for conversation, channel in channels.items()}
            batches = await self.source.changes(db, since, MAX_BROADCAST_CHANGES)
        for conversation, batch in batches.items():
            channels[conversation].scope = batch.version.scope
            for socket in list(channels[conversation].sockets):
                self.close_if_out_of_reach(socket)
        changes = [change for batch in batches.values() if batch.is_complete for change in batch.changes]
        languages = {socket.viewer.language for channel in channels.values() for socket in channel.live}
        frames = {language: await self.renderer.frames(changes, language) for language in languages}
        # No await from here on: a socket that goes live has either none of these changes or all of them.
        for conversation, batch in batches.items():
            self._push(channels[conversation], batch, frames)

    def _push(self, channel: Channel, batch: ChangeBatch, frames: FramesByLanguage) -> None:
        """A socket catches up by itself if nobody had its language when the frames were rendered."""
        if not batch.is_complete:
            channel.live, behind = set(), channel.live
            for socket in behind:
                socket.push_gap()
        for socket in list(channel.live):
            frames_of_changes = frames.get(socket.viewer.language)
            if frames_of_changes is None:
                channel.live.discard(socket)
                socket.push_gap()
                continue
            for change in batch.changes:
                if change in frames_of_changes:
                    socket.push(frames_of_changes[change])
        channel.rev = batch.version.rev
