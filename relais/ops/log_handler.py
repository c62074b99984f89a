"""The log handler of a process: it writes to `DATA/log/KIND.log`, rotates that file, and copies to standard output."""

import fcntl
import logging
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from relais.ops.log_files import open_log, write_line
from relais.ops.log_format import JsonFormatter
from relais.ops.log_rotation import BACKUP_COUNT, MAX_LOG_BYTES, rotate

log = logging.getLogger(__name__)
STDOUT_FD, STDERR_FD = 1, 2
AUDIT_LOGGER = "relais.accounts.audit"


class RotatingLogHandler(logging.Handler):
    """Several processes may write to one file: each line is one atomic write, and when one process rotates the file
    the others reopen it.

    Under the supervisor standard output is the file itself: it is redirected on rotation, and a line is written once.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = MAX_LOG_BYTES,
        backup_count: int = BACKUP_COUNT,
        echo: bool = True,
    ) -> None:
        super().__init__()
        self.path, self.max_bytes, self.backup_count = path, max_bytes, backup_count
        self.json_formatter = JsonFormatter(path.stem)
        self.setFormatter(self.json_formatter)
        self._file = open_log(path)
        self._echoes = echo and not self._is_log_file(STDOUT_FD)

    def emit(self, record: logging.LogRecord) -> None:
        line = self._format_safely(record).encode(errors="replace") + b"\n"
        # A full disk or a closed terminal must not fail the code that logs.
        with suppress(OSError):
            self._rotate_if_due()
        with suppress(OSError):
            write_line(self._file.fileno(), line)
        if self._echoes:
            with suppress(OSError):
                write_line(STDOUT_FD, line)

    def _format_safely(self, record: logging.LogRecord) -> str:
        """Without `handleError`, which prints a traceback of many lines between the log lines."""
        try:
            return self.format(record)
        except Exception as error:
            return self.json_formatter.fallback(record, error)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _rotate_if_due(self) -> None:
        try:
            on_disk = os.stat(self.path)
        except FileNotFoundError:
            self._reopen()
            return
        if not os.path.samestat(on_disk, os.fstat(self._file.fileno())):
            self._reopen()
        elif on_disk.st_size >= self.max_bytes:
            self._rotate()

    def _rotate(self) -> None:
        # Held until the file is closed: one process rotates, the others find it done.
        fcntl.flock(self._file, fcntl.LOCK_EX)
        if os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno())):
            rotate(self.path, self.backup_count)
        self._reopen()

    def _reopen(self) -> None:
        old, new = self._file, open_log(self.path)
        for fd in (STDOUT_FD, STDERR_FD):
            if self._is_log_file(fd):
                os.dup2(new.fileno(), fd)
        self._file = new
        old.close()

    def _is_log_file(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.fstat(self._file.fileno()))
        except OSError:
            return False


def configure_logging(kind: str, folder: Path) -> None:
    """Log everything this process, `web` or `jobs`, does to its file; unexpected exceptions included."""
    handler = RotatingLogHandler(folder / f"{kind}.log")
    logging._srcfile = None  # Skip finding the caller of each record, which no line shows.
    root = logging.getLogger()
    for existing in list(root.handlers):
        root.removeHandler(existing)
    root.addHandler(handler)
    settings.LOGGING_CONFIG = None  # A later django.setup() must not configure logging again.
    sys.excepthook = _log_exception
    threading.excepthook = _log_thread_exception


def configure_audit_log(folder: Path) -> None:
    """For a command, whose output is for a person: only its audit log goes to `command.log`."""
    audit_logger = logging.getLogger(AUDIT_LOGGER)
    audit_logger.addHandler(RotatingLogHandler(folder / "command.log", echo=False))
    audit_logger.propagate = False


def _log_exception(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if not isinstance(error, KeyboardInterrupt):
        log.critical("process failed", exc_info=(kind, error, trace))


def _log_thread_exception(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        exc_info = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        log.critical("thread failed", exc_info=exc_info)
