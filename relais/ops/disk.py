"""Whether the disk that holds the data folder is full: then nothing is broken, and waiting is all that helps."""

import os
from pathlib import Path

ROOM = 48 * 2**20
"""Bytes that the database needs to come back: some segments of its log, 16 MB each."""


def is_full(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < ROOM
