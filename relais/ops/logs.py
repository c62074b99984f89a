"""The log files in the data folder: appended to, copied aside once when they have grown long, shown as they grow."""

import os
import shutil
from pathlib import Path
from typing import IO

_LONG = 20_000_000


def open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    # What is logged may name clients: the log is for the owner of the data alone.
    return open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0)


def keep_short(path: Path) -> None:
    """Cut at its head while its writer, who appends, goes on: renaming would leave him writing to the old one."""
    if path.exists() and path.stat().st_size > _LONG:
        shutil.copyfile(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)


def last_lines(path: Path, count: int) -> list[str]:
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 20_000))
            return [line.rstrip() for line in log.read().decode(errors="replace").splitlines()[-count:]]
    except OSError:
        return []


class Tail:
    """What is appended to a log from now on, in whole lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.at = path.stat().st_size if path.exists() else 0

    def new_lines(self) -> list[str]:
        try:
            with self.path.open("rb") as log:
                self.at = min(self.at, self.path.stat().st_size)  # It may have been cut.
                log.seek(self.at)
                whole, end, _ = log.read(1_000_000).rpartition(b"\n")
        except OSError:
            return []
        self.at += len(whole + end)
        return whole.decode(errors="replace").split("\n") if end else []
