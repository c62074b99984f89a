"""The log files in the data folder: append a line, follow (tail).

Standard library only: the supervisor uses it as well.
"""

import errno
import os
import stat
from pathlib import Path
from typing import IO


def open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0)


def write_line(fd: int, line: bytes) -> None:
    """Append `line`, which ends with a line break, atomically and at the start of a line.

    Raises OSError when it cannot be written. A full disk may accept only part of a line: that part is truncated.
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
        if os.fstat(fd).st_size == end:  # No other process has appended since.
            os.ftruncate(fd, end - written)
            os.lseek(fd, end - written, os.SEEK_SET)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ends_with_line_break(fd: int) -> bool:
    """False after a writer was cut off within a line. True when the file cannot be read."""
    try:
        size = os.fstat(fd).st_size
        return not size or os.pread(fd, 1, size - 1) == b"\n"
    except OSError:
        return True


def last_lines(path: Path, count: int) -> list[str]:
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 20_000))
            return [line.rstrip() for line in log.read().decode(errors="replace").splitlines()[-count:]]
    except OSError:
        return []


class LogTail:
    """Follows a log file from its current end, in whole lines and across rotations."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = path.stat().st_size if path.exists() else 0
        self._log = self._open()

    def new_lines(self) -> list[str]:
        if self._log is None:
            self._log = self._open()
        lines = self._read()
        newer = self._open() if self._is_rotated() else None
        if self._log is not None and newer is not None:
            lines += self._read()
            self.close()
            self._log, self.offset = newer, 0
            lines += self._read()
        return lines

    def close(self) -> None:
        if self._log is not None:
            self._log.close()

    def _open(self) -> IO[bytes] | None:
        try:
            return self.path.open("rb")
        except OSError:
            return None

    def _is_rotated(self) -> bool:
        try:
            return self._log is not None and not os.path.samestat(
                os.fstat(self._log.fileno()), os.stat(self.path)
            )
        except OSError:
            return False

    def _read(self) -> list[str]:
        if self._log is None:
            return []
        self.offset = min(self.offset, os.fstat(self._log.fileno()).st_size)  # It may have been truncated.
        self._log.seek(self.offset)
        whole, end, _ = self._log.read().rpartition(b"\n")
        self.offset += len(whole + end)
        return whole.decode(errors="replace").split("\n") if end else []
