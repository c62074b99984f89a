"""Who looks at which conversation, told to the lists: only who comes and who goes, at most one frame a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

from relais.live import frames
from relais.live.pool import Pool, borrow
from relais.live.protocol import ConversationVersion, LiveSource, Viewer
from relais.live.socket import LiveSocket

INTERVAL_SECONDS = 1.0
MAX_NAMES = 5
"""Of one conversation: a row has space for one, and a number."""


class ListPresence:
    def __init__(
        self, source: LiveSource, pool: Pool, list_sockets: Callable[[], Iterable[LiveSocket]]
    ) -> None:
        self.source = source
        self.pool = pool
        self.list_sockets = list_sockets
        self.viewed: dict[int, dict[int, str]] = {}
        """By conversation: the names of its viewers, by user. None is empty."""
        self.changed: set[int] = set()
        """Since the last frame."""
        self.greeted: set[LiveSocket] = set()
        """Sockets that know who looked at the last frame."""

    def update(self, conversation: int, names: Mapping[int, str]) -> None:
        """What they do there does not matter: typing changes no row."""
        names = dict([*names.items()][:MAX_NAMES])
        if names == self.viewed.get(conversation, {}):
            return
        self.changed.add(conversation)
        self.viewed[conversation] = names
        if not names:
            del self.viewed[conversation]

    async def broadcast(self) -> None:
        """Each second: what changed, to each list within reach; to a new list, everything."""
        await asyncio.sleep(INTERVAL_SECONDS)
        sockets = set(self.list_sockets())
        new = sockets - self.greeted
        changed, self.changed = self.changed, set()
        everything = self.viewed.keys() if new else set()
        try:
            versions = await self._versions(changed | everything) if sockets else {}
        except Exception:
            self.changed |= changed
            raise
        frames_by_reach: dict[tuple[Hashable, bool], frames.Frame | None] = {}
        for socket in sockets:
            key = (socket.viewer.reach, socket in new)
            if key not in frames_by_reach:
                news = everything if socket in new else changed
                names = self._names(socket.viewer, news & versions.keys(), versions)
                # A new socket may be that of a page which was disconnected: it forgets who looked then.
                is_needed = names or socket in new
                frames_by_reach[key] = frames.viewers(names, is_all=socket in new) if is_needed else None
            if frame := frames_by_reach[key]:
                socket.push_ephemeral(frame)
        self.greeted = sockets

    async def _versions(self, conversations: Collection[int]) -> Mapping[int, ConversationVersion]:
        if not conversations:
            return {}
        async with borrow(self.pool) as db:
            return await self.source.versions(db, conversations)

    def _names(
        self, viewer: Viewer, conversations: Iterable[int], versions: Mapping[int, ConversationVersion]
    ) -> dict[int, dict[int, str]]:
        return {
            conversation: self.viewed.get(conversation, {})
            for conversation in conversations
            if self.source.may_see(viewer, versions[conversation].scope)
        }
