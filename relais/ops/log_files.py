"""The log files in the data folder: appended to, set aside when they have grown long, shown as they grow.

Standard library only: the supervisor uses it as well.
"""

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import IO

LONG = 20_000_000
GENERATIONS = 4
"""How many older files are kept: `web.log.1` is the latest of them."""


def open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0)


def write_line(fd: int, line: bytes) -> None:
    """Write `line`, which ends with a line break, at the beginning of a line: whole, or not at all.

    Raises OSError when it cannot be written. A full disk takes only the beginning of a line: that is taken back.
    """
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        while line:
            line = line[os.write(fd, line) :]
        return
    if not _ends_with_line_break(fd):
        line = b"\n" + line
    written = os.write(fd, line)
    if written < len(line):
        end = os.lseek(fd, 0, os.SEEK_CUR)
        if os.fstat(fd).st_size == end:  # Nobody has appended meanwhile.
            os.ftruncate(fd, end - written)
            os.lseek(fd, end - written, os.SEEK_SET)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ends_with_line_break(fd: int) -> bool:
    """Else somebody was cut off in the middle of a line. True when it cannot be told."""
    try:
        size = os.fstat(fd).st_size
        return not size or os.pread(fd, 1, size - 1) == b"\n"
    except OSError:
        return True


def set_aside(path: Path, generations: int = GENERATIONS) -> None:
    """`web.log` becomes `web.log.1`, that one `web.log.2` …; the oldest is gone."""
    for number in range(generations, 0, -1):
        newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if newer.exists():
            os.replace(newer, path.with_name(f"{path.name}.{number}"))


def keep_short(path: Path) -> None:
    """For programs that know nothing of `set_aside`: cut at its head while its writer, who appends, goes on."""
    if path.exists() and path.stat().st_size > LONG:
        copy = path.with_name(path.name + ".1")
        try:
            shutil.copyfile(path, copy)
        except OSError:  # On a full disk the lines are given up rather than the program.
            copy.unlink(missing_ok=True)
        os.truncate(path, 0)


def last_lines(path: Path, count: int) -> list[str]:
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 20_000))
            return [line.rstrip() for line in log.read().decode(errors="replace").splitlines()[-count:]]
    except OSError:
        return []


class Tail:
    """What is appended to a log from now on, in whole lines; also across its being set aside."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.at = path.stat().st_size if path.exists() else 0
        self._log = self._opened()

    def new_lines(self) -> list[str]:
        if self._log is None:
            self._log = self._opened()
        lines = self._read()
        newer = self._opened() if self._is_set_aside() else None
        if self._log is not None and newer is not None:
            lines += self._read()
            self.close()
            self._log, self.at = newer, 0
            lines += self._read()
        return lines

    def close(self) -> None:
        if self._log is not None:
            self._log.close()

    def _opened(self) -> IO[bytes] | None:
        try:
            return self.path.open("rb")
        except OSError:
            return None

    def _is_set_aside(self) -> bool:
        try:
            return self._log is not None and not os.path.samestat(
                os.fstat(self._log.fileno()), os.stat(self.path)
            )
        except OSError:
            return False

    def _read(self) -> list[str]:
        if self._log is None:
            return []
        self.at = min(self.at, os.fstat(self._log.fileno()).st_size)  # It may have been cut.
        self._log.seek(self.at)
        whole, end, _ = self._log.read().rpartition(b"\n")
        self.at += len(whole + end)
        return whole.decode(errors="replace").split("\n") if end else []
