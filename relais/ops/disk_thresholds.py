"""Thresholds of free disk space, and whether the disk is full. On a full disk nothing is broken: wait for space."""

import os
from pathlib import Path

CRITICAL_FREE_BYTES, LOW_FREE_BYTES = 500_000_000, 2_000_000_000
"""Below them: an error, a warning. The database's write-ahead log alone takes some hundred million bytes."""
RECOVERY_FREE_BYTES = 48 * 2**20
"""What the database needs to recover: some segments of its write-ahead log, 16 MB each."""


def is_full(folder: Path) -> bool:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < RECOVERY_FREE_BYTES
