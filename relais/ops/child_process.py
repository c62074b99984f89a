"""One process of ours under the supervisor: its log, its deaths, when it may be started again."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from relais.ops.log_files import open_log
from relais.ops.process import dies_with_parent

LONGEST_WAIT = 30
TOO_MANY, WITHIN = 5, 60


class Child:
    """`patience`: how many seconds it may take to finish what it has begun when it is asked to stop.

    `sets_its_log_aside`: whether it keeps its log short itself, as who writes by `journal` does.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        patience: float,
        variables: Mapping[str, str] | None = None,
        inherits: Sequence[int] = (),
        sets_its_log_aside: bool = False,
    ) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.patience = patience
        self.variables = {**os.environ, **(variables or {})}
        self.inherits = inherits
        self.sets_its_log_aside = sets_its_log_aside
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths: list[float] = []
        self.due = 0.0
        self.kill_at: float | None = None

    def start(self) -> None:
        self.kill_at = None
        with open_log(self.log) as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.variables, pass_fds=self.inherits, preexec_fn=dies_with_parent(signal.SIGTERM),
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops everyone in order.
            )  # fmt: skip

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def note_death(self) -> int:
        """Writes it down and answers in how many seconds it is to be started again: 1, 2, 4 … 30."""
        now = time.monotonic()
        self.process = None
        self.deaths = [*(at for at in self.deaths if now - at < WITHIN), now]
        wait = min(1 << len(self.deaths) - 1, LONGEST_WAIT)
        self.due = now + wait
        return wait

    @property
    def dies_too_often(self) -> bool:
        return len(self.deaths) >= TOO_MANY

    def ask_to_stop(self) -> None:
        if self.process is not None and self.runs:
            self.process.terminate()

    def restart(self) -> None:
        """Ask it to stop; whoever looks after it starts it again, and kills it when it takes too long."""
        self.kill_at = time.monotonic() + self.patience
        self.ask_to_stop()

    @property
    def overstays(self) -> bool:
        return self.runs and self.kill_at is not None and time.monotonic() >= self.kill_at

    def kill(self) -> None:
        if self.process is not None and self.runs:
            self.process.kill()
            self.process.wait()

    def tidy(self) -> None:
        """What is left to do once it has ended for good."""
