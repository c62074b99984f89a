"""Renders frames in threads, once per language, and caches them."""

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

RENDER_THREADS = 2
MAX_CACHED_FRAMES = 2_000
"""Enough that a conversation of ordinary length with many viewers is rendered once."""
CHANGES_PER_SLICE = 50
"""Changes rendered at once; other tasks run between two slices."""


class Renderer:
    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.executor = ThreadPoolExecutor(RENDER_THREADS, thread_name_prefix="render")
        self.catch_up_slots = asyncio.Semaphore(RENDER_THREADS - 1)
        self.cache: OrderedDict[tuple[Change, str], Frame] = OrderedDict()

    async def frames(self, changes: Sequence[Change], language: str) -> dict[Change, Frame]:
        """The frame of each change, in the same order. A change that cannot be shown has none."""
        cached = {
            change: self.cache[change, language] for change in changes if (change, language) in self.cache
        }
        missing = [change for change in changes if change not in cached]
        rendered: dict[Change, Frame] = {}
        for start in range(0, len(missing), CHANGES_PER_SLICE):
            batch = missing[start : start + CHANGES_PER_SLICE]
            for change, html in zip(batch, await self._html(batch, language), strict=True):
                if html:
                    rendered[change] = frames.change(change, html)
        self._store(rendered, language)
        available = cached | rendered
        return {change: available[change] for change in changes if change in available}

    async def catch_up_frames(self, changes: Sequence[Change], language: str) -> AsyncIterator[Frame]:
        """The frames in order, a slice at a time. However many sockets catch up, one thread is left for broadcasts."""
        for start in range(0, len(changes), CHANGES_PER_SLICE):
            async with self.catch_up_slots:
                slice_frames = await self.frames(changes[start : start + CHANGES_PER_SLICE], language)
            for frame in slice_frames.values():
                yield frame

    async def rows(self, changes: Sequence[Change], language: str) -> dict[int, Frame]:
        """By conversation. Not cached: a row also shows what raises no rev, such as a colleague's name."""
        html = await self._html(changes, language) if changes else []
        return {
            change.conversation: frames.row(change.conversation, change.rev, text)
            for change, text in zip(changes, html, strict=True)
            if text
        }

    async def _html(self, changes: Sequence[Change], language: str) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.executor, self._render, changes, language)

    def _render(self, changes: Sequence[Change], language: str) -> Sequence[str]:
        with releasing_connection(), translation.override(language):
            return self.source.render(changes)

    def _store(self, rendered: dict[Change, Frame], language: str) -> None:
        self.cache.update(((change, language), frame) for change, frame in rendered.items())
        while len(self.cache) > MAX_CACHED_FRAMES:
            self.cache.popitem(last=False)

    def close(self) -> None:
        self.executor.shutdown(wait=False)
