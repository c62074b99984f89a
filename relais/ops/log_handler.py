"""The journal of one process: its lines stand in `DATA/log/KIND.log` and on standard output."""

import fcntl
import logging
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from relais.ops.log_files import GENERATIONS, LONG, open_log, set_aside, write_line
from relais.ops.log_format import Line

log = logging.getLogger(__name__)
OUT, ERR = 1, 2
AUDIT_TRAIL = "relais.accounts.audit"


class Journal(logging.Handler):
    """Several processes may write to one file: each line is one write, whole or not at all, and a file set aside by
    one is left by all.

    Where standard output leads to the file itself, as under the supervisor, it follows, and a line is written once.
    """

    def __init__(
        self, path: Path, *, longest: int = LONG, generations: int = GENERATIONS, echo: bool = True
    ) -> None:
        super().__init__()
        self.path, self.longest, self.generations = path, longest, generations
        self.line_formatter = Line(path.stem)
        self.setFormatter(self.line_formatter)
        self._file = open_log(path)
        self._echoes = echo and not self._leads_here(OUT)

    def emit(self, record: logging.LogRecord) -> None:
        line = self._formatted(record).encode(errors="replace") + b"\n"
        # A full disk, or a terminal that is gone, must not fail what only wanted to be noted.
        with suppress(OSError):
            self._turn_over()
        with suppress(OSError):
            write_line(self._file.fileno(), line)
        if self._echoes:
            with suppress(OSError):
                write_line(OUT, line)

    def _formatted(self, record: logging.LogRecord) -> str:
        """Never by `handleError`, whose text over many lines would hide the lines around it."""
        try:
            return self.format(record)
        except Exception as error:
            return self.line_formatter.fallback(record, error)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _turn_over(self) -> None:
        try:
            now = os.stat(self.path)
        except FileNotFoundError:
            self._open_again()
            return
        if not os.path.samestat(now, os.fstat(self._file.fileno())):
            self._open_again()
        elif now.st_size >= self.longest:
            self._set_aside()

    def _set_aside(self) -> None:
        fcntl.flock(
            self._file, fcntl.LOCK_EX
        )  # Until it is closed: one process does it, the others find it done.
        if os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno())):
            set_aside(self.path, self.generations)
        self._open_again()

    def _open_again(self) -> None:
        old, new = self._file, open_log(self.path)
        for number in (OUT, ERR):
            if self._leads_here(number):
                os.dup2(new.fileno(), number)
        self._file = new
        old.close()

    def _leads_here(self, number: int) -> bool:
        try:
            return os.path.samestat(os.fstat(number), os.fstat(self._file.fileno()))
        except OSError:
            return False


def begin(kind: str, folder: Path) -> None:
    """From here on this process, a `web` or a `jobs`, tells what it does in lines."""
    journal = Journal(folder / f"{kind}.log")
    logging._srcfile = None  # No line says from where it was written: not looked for.
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(journal)
    settings.LOGGING_CONFIG = (
        None  # Django sets itself up once more for its pages, and would begin its own again.
    )
    sys.excepthook = _unexpected
    threading.excepthook = _unexpected_in_a_thread


def begin_audit_trail(folder: Path) -> None:
    """For a command, whose output is for a person: only its acts of administration go to `command.log`."""
    journal = Journal(folder / "command.log", echo=False)
    trail = logging.getLogger(AUDIT_TRAIL)
    trail.addHandler(journal)
    trail.propagate = False


def _unexpected(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if not isinstance(error, KeyboardInterrupt):
        log.critical("process failed", exc_info=(kind, error, trace))


def _unexpected_in_a_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        told = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        log.critical("thread failed", exc_info=told)
