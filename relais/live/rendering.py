"""Rendering in threads: once for all who look in the same language."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import connection
from django.utils import translation

from relais.live import frames
from relais.live.frames import Frame
from relais.live.protocol import Mark, Source

THREADS = 2
KEPT = 2_000
"""Frames remembered; a thread of ordinary length, looked at by many, is rendered once."""
SLICE = 50
"""Pieces rendered in one go, so that others get their turn in between."""


class Renderer:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="render")
        self.catching_up = asyncio.Semaphore(THREADS - 1)
        self.kept: OrderedDict[tuple[Mark, str], Frame] = OrderedDict()

    async def parts(self, marks: Sequence[Mark], language: str) -> dict[Mark, Frame]:
        """Their frames, in the same order; what cannot be shown has none."""
        kept = {mark: self.kept[mark, language] for mark in marks if (mark, language) in self.kept}
        missing = [mark for mark in marks if mark not in kept]
        made: dict[Mark, Frame] = {}
        for start in range(0, len(missing), SLICE):
            some = missing[start : start + SLICE]
            for mark, html in zip(some, await self._html(some, language), strict=True):
                if html:
                    made[mark] = frames.part(mark, html)
        self._keep(made, language)
        found = kept | made
        return {mark: found[mark] for mark in marks if mark in found}

    async def missed(self, marks: Sequence[Mark], language: str) -> AsyncIterator[Frame]:
        """Theirs in order, a slice at a time; however many catch up, one thread is left for what is new."""
        for start in range(0, len(marks), SLICE):
            async with self.catching_up:
                made = await self.parts(marks[start : start + SLICE], language)
            for frame in made.values():
                yield frame

    async def rows(self, marks: Sequence[Mark], language: str) -> dict[int, Frame]:
        """By thread. Never remembered: a line also shows what has no rev of its own, such as a colleague's name."""
        html = await self._html(marks, language) if marks else []
        return {
            m.thread: frames.row(m.thread, m.rev, text) for m, text in zip(marks, html, strict=True) if text
        }

    async def _html(self, marks: Sequence[Mark], language: str) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, self._render, marks, language)

    def _render(self, marks: Sequence[Mark], language: str) -> Sequence[str]:
        try:
            with translation.override(language):
                return self.source.render(marks)
        finally:
            connection.close()  # Back to Django's pool: there is no request here whose end would do it.

    def _keep(self, made: dict[Mark, Frame], language: str) -> None:
        self.kept.update(((mark, language), frame) for mark, frame in made.items())
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)

    def close(self) -> None:
        self.threads.shutdown(wait=False)
