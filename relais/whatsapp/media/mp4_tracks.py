"""Whether an MP4 file has a video track or only audio: recordings of phones (m4a) are declared as video/mp4."""

from __future__ import annotations

from collections.abc import Iterator

CONTAINER_BOXES = (b"moov", b"trak", b"mdia")
"""The boxes that contain the handler box (`hdlr`) of each track."""
AUDIO_BRANDS = (b"M4A ", b"M4B ")
MAX_BOXES = 10_000


def is_audio_only(content: bytes) -> bool:
    """Whether it has an audio track and no video track; without any track, its brand decides."""
    if content[4:8] != b"ftyp":
        return False
    handlers = set(_handlers(content))
    return b"vide" not in handlers and (b"soun" in handlers or content[8:12] in AUDIO_BRANDS)


def _handlers(content: bytes) -> Iterator[bytes]:
    """The handler type of each track: `soun`, `vide` or another. A box is its length, its name and its body."""
    pending = [(0, len(content))]
    for _n in range(MAX_BOXES):
        if not pending:
            return
        start, end = pending.pop()
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
            continue  # Truncated, or not a box.
        pending.append((stop, end))
        if name in CONTAINER_BOXES:
            pending.append((body, stop))
        elif name == b"hdlr":
            yield content[body + 8 : body + 12]
