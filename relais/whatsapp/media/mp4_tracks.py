"""Whether an MP4 holds a film or only sound: what phones record as m4a is declared as video/mp4."""

from __future__ import annotations

from collections.abc import Iterator

CONTAINERS = (b"moov", b"trak", b"mdia")
"""The boxes on the way to the handler of each track."""
AUDIO_BRANDS = (b"M4A ", b"M4B ")
MAX_BOXES = 10_000


def is_audio_only(content: bytes) -> bool:
    """It has a track of sound and none of pictures; where no track is told, its brand decides."""
    if content[4:8] != b"ftyp":
        return False
    handlers = set(_handlers(content))
    return b"vide" not in handlers and (b"soun" in handlers or content[8:12] in AUDIO_BRANDS)


def _handlers(content: bytes) -> Iterator[bytes]:
    """Of each track: `soun`, `vide` or another. A box is its length, its name and what it holds."""
    waiting = [(0, len(content))]
    for _n in range(MAX_BOXES):
        if not waiting:
            return
        start, end = waiting.pop()
        if start + 8 > end:
            continue
        size, name, body = (
            int.from_bytes(content[start : start + 4], "big"),
            content[start + 4 : start + 8],
            start + 8,
        )
        if size == 1:
            size, body = int.from_bytes(content[start + 8 : start + 16], "big"), start + 16
        stop = end if size == 0 else start + size
        if stop < body or stop > end:
            continue  # Torn, or no box at all.
        waiting.append((stop, end))
        if name in CONTAINERS:
            waiting.append((body, stop))
        elif name == b"hdlr":
            yield content[body + 8 : body + 12]
