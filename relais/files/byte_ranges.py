"""The Range header of a request: which bytes of a file it asks for."""

from __future__ import annotations

import re

RANGE = re.compile(r"bytes=([0-9]{0,12})-([0-9]{0,12})", re.ASCII)


def requested_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and length; the whole file without a range, or for several ranges. None: outside the file."""
    given = RANGE.fullmatch(header.strip())
    if given is None or given[0] == "bytes=-":
        return 0, size
    first, last = given[1], given[2]
    if not first:
        length = min(int(last), size)
        return (size - length, length) if length else None
    start = int(first)
    end = min(int(last) + 1 if last else size, size)
    return (start, end - start) if start < end else None


def content_range(start: int, length: int, size: int) -> str:
    return f"bytes {start}-{start + length - 1}/{size}"
