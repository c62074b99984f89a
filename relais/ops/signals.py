"""Signal handling at safe points: a handler only counts, and the next `wait` raises StopRequested."""

import os
import select
import signal
from types import FrameType, TracebackType


class StopRequested(BaseException):
    """SIGTERM, SIGINT or SIGHUP arrived."""


class SignalWaiter:
    """SIGTERM, SIGINT and SIGHUP request a stop. SIGCHLD only ends a wait early."""

    def __init__(self) -> None:
        self.received = 0
        self.raised = 0

    def __enter__(self) -> "SignalWaiter":
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._on_stop_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # Ignored under nohup.
            signal.signal(signal.SIGHUP, self._on_stop_signal)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        signal.set_wakeup_fd(-1)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(signum, signal.SIG_DFL)
        os.close(self._reading)
        os.close(self._writing)

    def _on_stop_signal(self, signum: int, frame: FrameType | None) -> None:
        self.received += 1

    def wait(self, seconds: float) -> None:
        """Sleep until a signal at most; raise StopRequested once for the stop signals since the last call."""
        if self.received == self.raised and select.select([self._reading], [], [], seconds)[0]:
            os.read(self._reading, 4096)
        if self.received > self.raised:
            self.raised = self.received
            raise StopRequested
