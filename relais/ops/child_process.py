"""A child process of the supervisor: its log, its exits, and when it is restarted."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from relais.ops.log_files import open_log
from relais.ops.process import dies_with_parent
from relais.ops.restart_backoff import is_crash_loop, recent_exits, restart_delay_seconds

STOP_TIMEOUT_SECONDS = {"database": 8, "emulator": 1, "web": 10, "jobs": 10, "prepare": 5}
"""How long each has to finish its work once it is asked to stop; then it is killed."""


class Child:
    """`stop_timeout`: seconds it has to finish its work once it is asked to stop.

    `rotates_own_log`: whether it uses RotatingLogHandler; otherwise the supervisor truncates its log.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        stop_timeout: float,
        variables: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        rotates_own_log: bool = False,
    ) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.stop_timeout = stop_timeout
        self.variables = {**os.environ, **(variables or {})}
        self.pass_fds = pass_fds
        self.rotates_own_log = rotates_own_log
        self.process: subprocess.Popen[bytes] | None = None
        self.exits: list[float] = []
        self.restart_at = 0.0
        self.kill_at: float | None = None

    def start(self) -> None:
        self.kill_at = None
        with open_log(self.log) as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.variables, pass_fds=self.pass_fds, preexec_fn=dies_with_parent(signal.SIGTERM),
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops everyone in order.
            )  # fmt: skip

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def record_exit(self) -> int:
        """Record it and return the backoff before the restart, in seconds."""
        now = time.monotonic()
        self.process = None
        self.exits = [*recent_exits(self.exits, now), now]
        delay = restart_delay_seconds(len(self.exits))
        self.restart_at = now + delay
        return delay

    @property
    def is_crash_looping(self) -> bool:
        return is_crash_loop(len(self.exits))

    def request_stop(self) -> None:
        if self.process is not None and self.is_running:
            self.process.terminate()

    def restart(self) -> None:
        """Request a stop. The supervisor starts it again, and kills it when it exceeds `stop_timeout`."""
        self.kill_at = time.monotonic() + self.stop_timeout
        self.request_stop()

    @property
    def exceeds_stop_timeout(self) -> bool:
        return self.is_running and self.kill_at is not None and time.monotonic() >= self.kill_at

    def kill(self) -> None:
        if self.process is not None and self.is_running:
            self.process.kill()
            self.process.wait()

    def clean_up(self) -> None:
        """Called once it has ended for good."""
