"""Rendering in threads: once for all who look in the same language."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from django.utils import translation

from relais.db_connection import releasing_connection
from relais.live import frames
from relais.live.frames import Frame
from relais.live.protocol import Change, LiveSource

THREADS = 2
KEPT = 2_000
"""Frames remembered; a thread of ordinary length, looked at by many, is rendered once."""
SLICE = 50
"""Pieces rendered in one go, so that others get their turn in between."""


class Renderer:
    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="render")
        self.catching_up = asyncio.Semaphore(THREADS - 1)
        self.kept: OrderedDict[tuple[Change, str], Frame] = OrderedDict()

    async def parts(self, changes: Sequence[Change], language: str) -> dict[Change, Frame]:
        """Their frames, in the same order; what cannot be shown has none."""
        kept = {change: self.kept[change, language] for change in changes if (change, language) in self.kept}
        missing = [change for change in changes if change not in kept]
        made: dict[Change, Frame] = {}
        for start in range(0, len(missing), SLICE):
            some = missing[start : start + SLICE]
            for change, html in zip(some, await self._html(some, language), strict=True):
                if html:
                    made[change] = frames.part(change, html)
        self._keep(made, language)
        found = kept | made
        return {change: found[change] for change in changes if change in found}

    async def missed(self, changes: Sequence[Change], language: str) -> AsyncIterator[Frame]:
        """Theirs in order, a slice at a time; however many catch up, one thread is left for what is new."""
        for start in range(0, len(changes), SLICE):
            async with self.catching_up:
                made = await self.parts(changes[start : start + SLICE], language)
            for frame in made.values():
                yield frame

    async def rows(self, changes: Sequence[Change], language: str) -> dict[int, Frame]:
        """By thread. Never remembered: a line also shows what has no rev of its own, such as a colleague's name."""
        html = await self._html(changes, language) if changes else []
        return {
            m.conversation: frames.row(m.conversation, m.rev, text)
            for m, text in zip(changes, html, strict=True)
            if text
        }

    async def _html(self, changes: Sequence[Change], language: str) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, self._render, changes, language)

    def _render(self, changes: Sequence[Change], language: str) -> Sequence[str]:
        with releasing_connection(), translation.override(language):
            return self.source.render(changes)

    def _keep(self, made: dict[Change, Frame], language: str) -> None:
        self.kept.update(((change, language), frame) for change, frame in made.items())
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)

    def close(self) -> None:
        self.threads.shutdown(wait=False)
