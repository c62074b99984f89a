"""Who looks at lists, and the telling of rows and counts: the last state wins, a few frames a second."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Hashable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from heapq import nsmallest

from relais.live import frames
from relais.live.change_log import ChangedThreads, ChangeLog
from relais.live.frames import REFRESH, Frame
from relais.live.pool import Gate, Pool, lent
from relais.live.protocol import Change, ConversationVersion, LiveSource, TeamScope, Viewer
from relais.live.rendering import Renderer
from relais.live.socket import Socket

PACE = 0.26
"""Seconds between two frames to one socket: never more than four a second, wherever one begins to count."""
MOST_ROWS = 2
"""More rows than this waiting their turn, and the page had better ask for its list again."""
REFRESH_PACE = 2.0
"""Seconds between two such requests, each of which costs a page."""
MOST_REFRESHES = 13
"""Pages in one round that are sent to ask again, those who did longest ago first: a thousand at once would get none."""
AT_ONCE = 20
"""Sockets told in one go; a message to a conversation's page need not wait until all lists are told."""
MOST_CHANGES = 400
"""More changed threads than this at once are not looked at one by one."""
MAX_POLLED_ROWS = 20
"""More rows than this cost more than the list that holds them."""


@dataclass
class News:
    """What happened since the last round."""

    changed: set[int] = field(default_factory=set)
    left: defaultdict[int, set[TeamScope]] = field(default_factory=lambda: defaultdict(set))
    """Where threads stood before they were moved."""
    too_much: bool = False


@dataclass
class Line:
    """What one socket is still to be told."""

    rows: dict[int, bool] = field(default_factory=dict)
    """By thread, the longest waiting first: whether it is to be shown, or taken away."""
    counts: dict[str, int] = field(default_factory=dict)
    counts_told: dict[str, int] = field(default_factory=dict)
    counts_first: bool = True
    """Rows and counts take turns, so that neither starves."""
    missed: ChangedThreads = field(default_factory=dict)
    """What changed between the reading of the page's rows and its coming here."""
    stale: bool = False
    """The page must ask for its list again."""
    refreshed: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)

    def note(self, shown: Mapping[int, bool], changed: Set[int]) -> None:
        """What of all that changed is to be shown or taken away; of the rest nothing is told any more."""
        for thread in [thread for thread in self.rows if thread in changed and thread not in shown]:
            del self.rows[thread]
        # Of more than are told one by one only the last are looked at, for however many lists there are.
        for thread in [*shown][-MOST_ROWS - 1 :]:
            self.note_row(thread, shown[thread])

    def note_row(self, thread: int, shown: bool) -> None:
        self.rows.pop(thread, None)
        self.rows[thread] = shown
        if len(self.rows) > MOST_ROWS:
            self.stale = True
            self.rows = {thread: shown}

    @property
    def has_news(self) -> bool:
        return self.stale or bool(self.rows) or self.counts != self.counts_told

    def next(self, now: float, *, may_refresh: bool = True) -> Frame | tuple[int, bool] | None:
        """The frame whose turn it is, or the row that has to be rendered for it."""
        if now - self.told < PACE * 0.99 or not self.has_news:
            return None
        self.told = now
        if self.stale and may_refresh and now - self.refreshed >= REFRESH_PACE:
            self.stale, self.refreshed, self.rows = False, now, {}
            return REFRESH
        if self.counts != self.counts_told and (self.counts_first or not self.rows):
            self.counts_first, self.counts_told = False, self.counts
            return frames.counts(self.counts)
        self.counts_first = True
        for thread in self.rows:
            return thread, self.rows.pop(thread)
        return None


def who_may_ask_again(lines: Iterable[Line]) -> set[int]:
    """The ids of those that this round may send to their page."""
    stale = (line for line in lines if line.stale)
    return {id(line) for line in nsmallest(MOST_REFRESHES, stale, key=lambda line: line.refreshed)}


class Lists:
    def __init__(self, source: LiveSource, renderer: Renderer, pool: Pool) -> None:
        self.source = source
        self.renderer = renderer
        self.pool = pool
        self.log = ChangeLog()
        self.lines: dict[Socket, Line] = {}
        self.news = News()
        self.known: dict[int, ConversationVersion] = {}
        self.stirred = asyncio.Event()
        self.last_turn = 0.0

    # -- who looks ----------------------------------------------------------------------------------------

    async def frames(self, socket: Socket, position: str = "") -> AsyncIterator[Frame]:
        """`position` is the one its page was rendered from; without one that is known here, it renders again."""
        missed = self.log.since(position, socket.viewer.id)
        if missed is None or len(missed) > MOST_CHANGES:
            self.lines[socket] = Line()
            self.stirred.set()
            yield REFRESH
        else:
            # Were it too much to be told row by row, the page need not wait to ask again: it has not yet.
            self.lines[socket] = Line(missed=missed, refreshed=0.0)
            self.stirred.set()
        async for frame in socket.pushed():
            yield frame

    def leave(self, socket: Socket) -> None:
        self.lines.pop(socket, None)

    def begin_again(self, socket: Socket) -> None:
        """Its reach is another now: nothing prepared for it may go out, and its list is not its list any more."""
        if line := self.lines.get(socket):
            line.rows.clear()
            line.missed.clear()
            line.stale, line.refreshed = True, 0.0
            self.stirred.set()

    # -- hearing ------------------------------------------------------------------------------------------

    def hear(self, threads: Collection[int]) -> None:
        self.log.note(threads)
        if self.lines:
            self.news.changed.update(threads)
            self.stirred.set()

    def hear_moved(self, thread: int, left: TeamScope) -> None:
        self.log.note([thread], left=(left,))
        if self.lines:
            self.news.left[thread].add(left)
            self.news.changed.add(thread)
            self.stirred.set()

    def hear_all(self) -> None:
        self.log.forget()
        if self.lines:
            self.news.too_much = True
            self.stirred.set()

    async def look_round(self) -> None:
        """The net under the notifications: has anything moved of which we were not told?"""
        if not self.lines:
            self.known.clear()
            return
        async with lent(self.pool) as db:
            latest = await self.source.latest_versions(db)
        for thread, version in latest.items():
            before = self.known.get(thread)
            if self.known and version != before:
                self.hear([thread])
                if before and before.scope != version.scope:
                    self.hear_moved(thread, before.scope)
        self.known = dict(latest)
        self.stirred.set()  # The counts, too, are counted again.

    # -- without a socket ---------------------------------------------------------------------------------

    async def frames_since(self, viewer: Viewer, position: str, gate: Gate) -> list[Frame]:
        """What a page that polls is told: the rows that changed since its position, or that it must ask again."""
        now, missed = self.log.position, self.log.since(position, viewer.id)
        if missed is not None and len(missed) > MOST_CHANGES:
            missed = None
        async with gate.lent() as db:
            versions = await self.source.versions(db, list(missed or ()))
            counts = await self.source.open_counts(db)
        counted = frames.counts(counts.for_viewer(viewer))
        seen = self._seen_by(viewer, versions.keys(), versions, missed or {})
        if missed is None or len(seen) > MAX_POLLED_ROWS:
            return [REFRESH, counted]
        rows = await self._rows({viewer.language: [t for t, shown in seen.items() if shown]}, versions)
        gone = [frames.row(thread, versions[thread].rev, "") for thread, shown in seen.items() if not shown]
        return [*rows[viewer.language].values(), *gone, counted, frames.position(now)]

    # -- telling ------------------------------------------------------------------------------------------

    async def tell(self) -> None:
        """One round, at its pace: read what changed, once for all, and give each socket the frame whose turn it is."""
        await self.stirred.wait()
        await asyncio.sleep(self.last_turn + PACE - time.monotonic())
        self.stirred.clear()
        if not self.lines:
            self.news = News()
            return
        news, self.news = self.news, News()
        try:
            await self._tell(news)
        except Exception:
            self.hear_all()
            raise
        if any(line.has_news for line in self.lines.values()):
            self.stirred.set()

    async def _tell(self, news: News) -> None:
        too_much = news.too_much or len(news.changed) > MOST_CHANGES
        changed = set() if too_much else news.changed
        waiting = {thread for line in self.lines.values() for thread in (*line.rows, *line.missed)}
        async with lent(self.pool) as db:
            versions = await self.source.versions(db, changed | waiting)
            counts = await self.source.open_counts(db)
        self.known.update(versions)
        changed &= versions.keys()
        by_reach: dict[Hashable, dict[int, bool]] = {}
        for number, (socket, line) in enumerate([*self.lines.items()]):
            if number % (5 * AT_ONCE) == 0:
                await asyncio.sleep(0)
            line.stale |= too_much
            line.counts = counts.for_viewer(socket.viewer)
            self._note_missed(socket.viewer, line, versions)
            reach = socket.viewer.reach
            if reach not in by_reach:
                by_reach[reach] = self._seen_by(socket.viewer, changed, versions, news.left)
            line.note(by_reach[reach], changed)
        await self._give_each_its_turn(versions)

    def _note_missed(self, viewer: Viewer, line: Line, versions: Mapping[int, ConversationVersion]) -> None:
        missed, line.missed = line.missed, {}
        if missed:
            line.note(self._seen_by(viewer, missed.keys() & versions.keys(), versions, missed), missed.keys())

    def _seen_by(
        self,
        viewer: Viewer,
        changed: Set[int],
        versions: Mapping[int, ConversationVersion],
        left: Mapping[int, set[TeamScope]],
    ) -> dict[int, bool]:
        """What changed within his reach, to be shown, and what left it, to be taken away."""
        seen: dict[int, bool] = {}
        for thread in changed:
            if self.source.may_see(viewer, versions[thread].scope):
                seen[thread] = True
            elif any(self.source.may_see(viewer, scope) for scope in left.get(thread, ())):
                seen[thread] = False
        return seen

    async def _give_each_its_turn(self, versions: Mapping[int, ConversationVersion]) -> None:
        # From here the next round is counted: by its beginning, one that read quickly would come too early for all.
        self.last_turn = now = time.monotonic()
        first = who_may_ask_again(self.lines.values())
        turns = {
            socket: turn
            for socket, line in self.lines.items()
            if (turn := line.next(now, may_refresh=id(line) in first))
        }
        rows = await self._rendered(turns, versions)
        for number, (socket, turn) in enumerate(turns.items()):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            if isinstance(turn, Frame):
                socket.push(turn)
                continue
            thread, shown = turn
            if not shown:
                socket.push(frames.row(thread, versions[thread].rev, ""))
            elif (row := rows.get(socket.viewer.language, {}).get(thread)) and self._still_sees(
                socket, versions[thread]
            ):
                socket.push(row)

    def _still_sees(self, socket: Socket, version: ConversationVersion) -> bool:
        """His reach may have become another while the row was rendered."""
        return self.source.may_see(socket.viewer, version.scope)

    async def _rendered(
        self, turns: Mapping[Socket, Frame | tuple[int, bool]], versions: Mapping[int, ConversationVersion]
    ) -> dict[str, dict[int, Frame]]:
        """The rows to be shown, each once per language, by language and thread."""
        wanted: defaultdict[str, set[int]] = defaultdict(set)
        for socket, turn in turns.items():
            if isinstance(turn, tuple) and turn[1]:
                wanted[socket.viewer.language].add(turn[0])
        return await self._rows(wanted, versions)

    async def _rows(
        self, wanted: Mapping[str, Iterable[int]], versions: Mapping[int, ConversationVersion]
    ) -> dict[str, dict[int, Frame]]:
        return {
            language: await self.renderer.rows(
                [Change("row", t, t, 0, versions[t].rev) for t in threads], language
            )
            for language, threads in wanted.items()
        }
