"""Log rotation: at which size a log file is rotated, and how many old ones are kept.

Standard library only: the supervisor uses it as well.
"""

import os
import shutil
from pathlib import Path

MAX_LOG_BYTES = 20_000_000
BACKUP_COUNT = 4
"""Rotated files that are kept; `web.log.1` is the newest of them."""


def rotate(path: Path, backup_count: int = BACKUP_COUNT) -> None:
    """`web.log` becomes `web.log.1`, that one `web.log.2` …; the oldest is deleted."""
    for number in range(backup_count, 0, -1):
        newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if newer.exists():
            os.replace(newer, path.with_name(f"{path.name}.{number}"))


def copy_and_truncate(path: Path) -> None:
    """Rotation for programs that keep their file open, as logrotate's `copytruncate`; they must append."""
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        copy = path.with_name(path.name + ".1")
        try:
            shutil.copyfile(path, copy)
        except OSError:  # On a full disk lose the lines rather than fill it further.
            copy.unlink(missing_ok=True)
        os.truncate(path, 0)
