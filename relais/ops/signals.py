"""Signals, heard at safe moments only: they ring, and whoever pauses next is told."""

import os
import select
import signal
from types import FrameType, TracebackType


class Rung(BaseException):
    """Someone wants us to stop."""


class Bell:
    """SIGTERM, SIGINT and SIGHUP ring. SIGCHLD only ends a pause early."""

    def __init__(self) -> None:
        self.rings = 0
        self.heard = 0

    def __enter__(self) -> "Bell":
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._ring)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # As nohup asks.
            signal.signal(signal.SIGHUP, self._ring)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        signal.set_wakeup_fd(-1)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(signum, signal.SIG_DFL)
        os.close(self._reading)
        os.close(self._writing)

    def _ring(self, signum: int, frame: FrameType | None) -> None:
        self.rings += 1

    def pause(self, seconds: float) -> None:
        """Sleeps, or less when a signal comes; raises `Rung` once for what has rung since the last time."""
        if self.rings == self.heard and select.select([self._reading], [], [], seconds)[0]:
            os.read(self._reading, 4096)
        if self.rings > self.heard:
            self.heard = self.rings
            raise Rung
