"""How much room the data folder needs. Where the disk is full nothing is broken, and waiting is all that helps."""

import os
from pathlib import Path

LITTLE_ROOM, ROOM = 500_000_000, 2_000_000_000
"""Bytes: less is told as urgent, and as a warning. The database's log of changes alone takes some hundred millions."""
TO_COME_BACK = 48 * 2**20
"""Bytes that the database needs for it: some segments of its log, 16 MB each."""


def is_full(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < TO_COME_BACK
