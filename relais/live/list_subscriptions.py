"""Subscriptions to the lists: rows and counts, coalesced per socket (the last state wins), a few frames a second."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Hashable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from heapq import nsmallest

from relais.live import frames
from relais.live.change_log import ChangedConversations, ChangeLog
from relais.live.frames import REFRESH, Frame
from relais.live.pool import LimitedPool, Pool, borrow
from relais.live.protocol import Change, ConversationVersion, LiveSource, TeamScope, Viewer
from relais.live.rendering import Renderer
from relais.live.socket import LiveSocket

FRAME_INTERVAL_SECONDS = 0.26
"""Between two frames to one socket: never more than four in any second."""
MAX_PENDING_ROWS = 2
"""If more rows are pending for a socket, its page reloads the list instead."""
REFRESH_INTERVAL_SECONDS = 2.0
"""Between two reloads of one page, because each costs a rendered page."""
MAX_REFRESHES_PER_ROUND = 13
"""Pages told to reload in one round, the longest waiting first. A thousand reloads at once would all fail."""
SOCKETS_PER_SLICE = 20
"""Sockets served before other tasks run, so that the page of a conversation does not wait for all lists."""
MAX_CHANGES_PER_ROUND = 400
"""If more conversations changed at once, all lists are reloaded instead of comparing each change."""
MAX_POLLED_ROWS = 20
"""More rows than this cost more than the list that contains them."""


@dataclass
class ChangeSet:
    """What changed since the last round."""

    conversations: set[int] = field(default_factory=set)
    previous_scopes: defaultdict[int, set[TeamScope]] = field(default_factory=lambda: defaultdict(set))
    """By conversation: the scopes it had before it was moved."""
    is_everything: bool = False


@dataclass
class PendingUpdates:
    """What one socket still has to be sent."""

    rows: dict[int, bool] = field(default_factory=dict)
    """By conversation, the longest waiting first: whether to show its row, or to remove it."""
    counts: dict[str, int] = field(default_factory=dict)
    sent_counts: dict[str, int] = field(default_factory=dict)
    are_counts_next: bool = True
    """Rows and counts alternate, so that neither starves."""
    missed: ChangedConversations = field(default_factory=dict)
    """What changed between the read of the page's rows and the opening of its socket."""
    needs_refresh: bool = False
    """The page must reload its list."""
    refreshed_at: float = field(default_factory=time.monotonic)
    sent_at: float = field(default_factory=time.monotonic)

    def add_changes(self, shown: Mapping[int, bool], changed: Set[int]) -> None:
        """`shown`: by conversation, whether to show or to remove it. Rows of other changed ones are dropped."""
        for conversation in [c for c in self.rows if c in changed and c not in shown]:
            del self.rows[conversation]
        # Beyond MAX_PENDING_ROWS the page reloads anyway, so the last ones are enough, however many there are.
        for conversation in [*shown][-MAX_PENDING_ROWS - 1 :]:
            self.add_row(conversation, shown[conversation])

    def add_row(self, conversation: int, shown: bool) -> None:
        self.rows.pop(conversation, None)
        self.rows[conversation] = shown
        if len(self.rows) > MAX_PENDING_ROWS:
            self.needs_refresh = True
            self.rows = {conversation: shown}

    @property
    def is_pending(self) -> bool:
        return self.needs_refresh or bool(self.rows) or self.counts != self.sent_counts

    def pop_next(self, now: float, *, may_refresh: bool = True) -> Frame | tuple[int, bool] | None:
        """The next frame to send, or the row that must be rendered for it: (conversation, shown)."""
        if now - self.sent_at < FRAME_INTERVAL_SECONDS * 0.99 or not self.is_pending:
            return None
        self.sent_at = now
        if self.needs_refresh and may_refresh and now - self.refreshed_at >= REFRESH_INTERVAL_SECONDS:
            self.needs_refresh, self.refreshed_at, self.rows = False, now, {}
            return REFRESH
        if self.counts != self.sent_counts and (self.are_counts_next or not self.rows):
            self.are_counts_next, self.sent_counts = False, self.counts
            return frames.counts(self.counts)
        self.are_counts_next = True
        for conversation in self.rows:
            return conversation, self.rows.pop(conversation)
        return None


def select_refreshes(updates: Iterable[PendingUpdates]) -> set[int]:
    """The `id()` of those whose page may be told to reload in this round."""
    candidates = (each for each in updates if each.needs_refresh)
    return {
        id(each)
        for each in nsmallest(MAX_REFRESHES_PER_ROUND, candidates, key=lambda each: each.refreshed_at)
    }


class ListSubscriptions:
    def __init__(self, source: LiveSource, renderer: Renderer, pool: Pool) -> None:
        self.source = source
        self.renderer = renderer
        self.pool = pool
        self.change_log = ChangeLog()
        self.pending: dict[LiveSocket, PendingUpdates] = {}
        """By subscribed socket."""
        self.changes = ChangeSet()
        self.known_versions: dict[int, ConversationVersion] = {}
        self.wake = asyncio.Event()
        self.round_at = 0.0

    # -- subscribing --------------------------------------------------------------------------------------

    async def stream(self, socket: LiveSocket, position: str = "") -> AsyncIterator[Frame]:
        """Subscribe. `position` is that of the page; if it is unknown here, the page reloads its list first."""
        missed = self.change_log.changes_since(position, socket.viewer.id)
        if missed is None or len(missed) > MAX_CHANGES_PER_ROUND:
            self.pending[socket] = PendingUpdates()
            self.wake.set()
            yield REFRESH
        else:
            # The page has not reloaded its list yet, so it may do so at once if it missed too many rows.
            self.pending[socket] = PendingUpdates(missed=missed, refreshed_at=0.0)
            self.wake.set()
        async for frame in socket.frames_until_gap():
            yield frame

    def unsubscribe(self, socket: LiveSocket) -> None:
        self.pending.pop(socket, None)

    def reset(self, socket: LiveSocket) -> None:
        """The viewer's reach changed: discard what is pending, and reload the list."""
        if updates := self.pending.get(socket):
            updates.rows.clear()
            updates.missed.clear()
            updates.needs_refresh, updates.refreshed_at = True, 0.0
            self.wake.set()

    # -- notifications ------------------------------------------------------------------------------------

    def on_notify(self, conversations: Collection[int]) -> None:
        self.change_log.record(conversations)
        if self.pending:
            self.changes.conversations.update(conversations)
            self.wake.set()

    def on_moved(self, conversation: int, previous_scope: TeamScope) -> None:
        self.change_log.record([conversation], previous_scopes=(previous_scope,))
        if self.pending:
            self.changes.previous_scopes[conversation].add(previous_scope)
            self.changes.conversations.add(conversation)
            self.wake.set()

    def mark_all_changed(self) -> None:
        self.change_log.invalidate()
        if self.pending:
            self.changes.is_everything = True
            self.wake.set()

    async def poll(self) -> None:
        """Find changes whose notification was lost."""
        if not self.pending:
            self.known_versions.clear()
            return
        async with borrow(self.pool) as db:
            latest = await self.source.latest_versions(db)
        for conversation, version in latest.items():
            known = self.known_versions.get(conversation)
            if self.known_versions and version != known:
                self.on_notify([conversation])
                if known and known.scope != version.scope:
                    self.on_moved(conversation, known.scope)
        self.known_versions = dict(latest)
        self.wake.set()  # Count again, too.

    # -- polling pages ------------------------------------------------------------------------------------

    async def frames_since(self, viewer: Viewer, position: str, catch_up_pool: LimitedPool) -> list[Frame]:
        """For a page without a socket: the rows changed since its position, or `refresh`."""
        current = self.change_log.position
        missed = self.change_log.changes_since(position, viewer.id)
        if missed is not None and len(missed) > MAX_CHANGES_PER_ROUND:
            missed = None
        async with catch_up_pool.borrow() as db:
            versions = await self.source.versions(db, list(missed or ()))
            open_counts = await self.source.open_counts(db)
        counts = frames.counts(open_counts.for_viewer(viewer))
        shown = self._shown_to(viewer, versions.keys(), versions, missed or {})
        if missed is None or len(shown) > MAX_POLLED_ROWS:
            return [REFRESH, counts]
        rows = await self._render_rows(
            {viewer.language: [c for c, is_shown in shown.items() if is_shown]}, versions
        )
        removed = [frames.row(c, versions[c].rev, "") for c, is_shown in shown.items() if not is_shown]
        return [*rows[viewer.language].values(), *removed, counts, frames.position(current)]

    # -- broadcasting -------------------------------------------------------------------------------------

    async def run_round(self) -> None:
        """Wait for changes, read them once for all sockets, and send each socket its next frame."""
        await self.wake.wait()
        await asyncio.sleep(self.round_at + FRAME_INTERVAL_SECONDS - time.monotonic())
        self.wake.clear()
        if not self.pending:
            self.changes = ChangeSet()
            return
        changes, self.changes = self.changes, ChangeSet()
        try:
            await self._broadcast(changes)
        except Exception:
            self.mark_all_changed()
            raise
        if any(updates.is_pending for updates in self.pending.values()):
            self.wake.set()

    async def _broadcast(self, changes: ChangeSet) -> None:
        is_everything = changes.is_everything or len(changes.conversations) > MAX_CHANGES_PER_ROUND
        changed = set() if is_everything else changes.conversations
        waiting = {c for updates in self.pending.values() for c in (*updates.rows, *updates.missed)}
        async with borrow(self.pool) as db:
            versions = await self.source.versions(db, changed | waiting)
            open_counts = await self.source.open_counts(db)
        self.known_versions.update(versions)
        changed &= versions.keys()
        shown_by_reach: dict[Hashable, dict[int, bool]] = {}
        for number, (socket, updates) in enumerate([*self.pending.items()]):
            if number % (5 * SOCKETS_PER_SLICE) == 0:
                await asyncio.sleep(0)
            updates.needs_refresh |= is_everything
            updates.counts = open_counts.for_viewer(socket.viewer)
            self._add_missed(socket.viewer, updates, versions)
            reach = socket.viewer.reach
            if reach not in shown_by_reach:
                shown_by_reach[reach] = self._shown_to(
                    socket.viewer, changed, versions, changes.previous_scopes
                )
            updates.add_changes(shown_by_reach[reach], changed)
        await self._send_next_frames(versions)

    def _add_missed(
        self, viewer: Viewer, updates: PendingUpdates, versions: Mapping[int, ConversationVersion]
    ) -> None:
        missed, updates.missed = updates.missed, {}
        if missed:
            shown = self._shown_to(viewer, missed.keys() & versions.keys(), versions, missed)
            updates.add_changes(shown, missed.keys())

    def _shown_to(
        self,
        viewer: Viewer,
        changed: Set[int],
        versions: Mapping[int, ConversationVersion],
        previous_scopes: Mapping[int, set[TeamScope]],
    ) -> dict[int, bool]:
        """True: within the viewer's reach, so show the row. False: it has left the reach, so remove the row."""
        shown: dict[int, bool] = {}
        for conversation in changed:
            if self.source.may_see(viewer, versions[conversation].scope):
                shown[conversation] = True
            elif any(self.source.may_see(viewer, scope) for scope in previous_scopes.get(conversation, ())):
                shown[conversation] = False
        return shown

    async def _send_next_frames(self, versions: Mapping[int, ConversationVersion]) -> None:
        # The interval to the next round counts from here. Counted from the start of this one, a round whose reads were
        # fast would come too early for every socket.
        self.round_at = now = time.monotonic()
        refreshes = select_refreshes(self.pending.values())
        next_updates = {
            socket: update
            for socket, updates in self.pending.items()
            if (update := updates.pop_next(now, may_refresh=id(updates) in refreshes))
        }
        rows = await self._render_next_rows(next_updates, versions)
        for number, (socket, update) in enumerate(next_updates.items()):
            if number % SOCKETS_PER_SLICE == 0:
                await asyncio.sleep(0)
            if isinstance(update, Frame):
                socket.push(update)
                continue
            conversation, is_shown = update
            version = versions[conversation]
            if not is_shown:
                socket.push(frames.row(conversation, version.rev, ""))
            # The viewer's reach may have changed while the row was rendered.
            elif (row := rows.get(socket.viewer.language, {}).get(conversation)) and self.source.may_see(
                socket.viewer, version.scope
            ):
                socket.push(row)

    async def _render_next_rows(
        self,
        next_updates: Mapping[LiveSocket, Frame | tuple[int, bool]],
        versions: Mapping[int, ConversationVersion],
    ) -> dict[str, dict[int, Frame]]:
        """The rows to show, each rendered once per language."""
        wanted: defaultdict[str, set[int]] = defaultdict(set)
        for socket, update in next_updates.items():
            if isinstance(update, tuple) and update[1]:
                wanted[socket.viewer.language].add(update[0])
        return await self._render_rows(wanted, versions)

    async def _render_rows(
        self, wanted: Mapping[str, Iterable[int]], versions: Mapping[int, ConversationVersion]
    ) -> dict[str, dict[int, Frame]]:
        """By language and conversation."""
        return {
            language: await self.renderer.rows(
                [Change("row", c, c, 0, versions[c].rev) for c in conversations], language
            )
            for language, conversations in wanted.items()
        }
