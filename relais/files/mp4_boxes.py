"""The boxes of an MP4 file (ISO/IEC 14496-12): each is its length, its name and its body. Only headers are read."""

from __future__ import annotations

import os
import struct
from collections.abc import Container, Iterator
from typing import BinaryIO

MAX_BOXES = 1_000


def read_at(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def mp4_boxes(file: BinaryIO, *, containers: Container[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the body of each box, in order, also of those within `containers`."""
    pending = [(0, file.seek(0, os.SEEK_END))]
    for _n in range(MAX_BOXES):
        if not pending:
            return
        start, end = pending.pop()
        header = read_at(file, start, 16)
        if start + 8 > end or len(header) < 8:
            continue
        length, name = struct.unpack(">I4s", header[:8])
        body = start + 8
        if length == 1 and len(header) == 16:
            (length,), body = struct.unpack(">Q", header[8:]), start + 16
        stop = end if length == 0 else start + length
        if stop < body or stop > end:
            continue  # Truncated, or not a box.
        pending.append((stop, end))
        if name in containers:
            pending.append((body, stop))
        else:
            yield name, body, stop
