"""A desk run by `relais up` in a process of its own, which tests watch, signal and kill."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from relais.ops.port import free_port

STUBS = Path(__file__).with_name("stubs.py")
_OWN_PREFIXES = ("TWILIO_", "RELAIS_", "STUDIO_", "DATABASE_URL", "PUBLIC_BASE_URL", "EMAIL_URL")


def until(condition: Callable[[], object], *, timeout: float = 60, what: str = "") -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting for: {what}"
        time.sleep(0.02)


class Desk:
    def __init__(
        self, folder: Path, port: int | None = None, *, terminal: bool = False, **variables: str
    ) -> None:
        self.data = folder / "data"
        self.port = port or free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_PREFIXES)}
        self.variables = {
            **inherited, "RELAIS_DATA_DIR": str(self.data), "RELAIS_PORT": str(self.port),
            "RELAIS_ENV_FILE": os.devnull, **variables,
        }  # fmt: skip
        self.starts_before = {child: len(self.starts_of(child)) for child in ("web", "jobs")}
        self.output = Path(tempfile.mkstemp(prefix="output-", dir=folder)[1])
        command: list[str | Path] = [sys.executable, STUBS]
        if terminal:
            command = [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *command]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=self.variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def printed(self) -> str:
        return self.output.read_text()

    def wait_until_ready(self) -> "Desk":
        until(lambda: self._is_ready() or self.process.poll() is not None, what="ready")
        assert self.process.poll() is None, self.printed
        return self

    def _is_ready(self) -> bool:
        started = all(len(self.starts_of(child)) > before for child, before in self.starts_before.items())
        return started and "Relais is ready" in self.printed

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    def exit_code(self, timeout: float = 60) -> int:
        return self.process.wait(timeout)

    def starts_of(self, child: str) -> list[int]:
        file = self.data / f"{child}.starts"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def process_ids(self) -> list[int]:
        """Every process whose command line or environment names this desk's data folder."""
        pids = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    context = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                except OSError:
                    continue
                if os.fsencode(self.data) in context:
                    pids.append(int(entry.name))
        return pids

    def has_ended(self) -> bool:
        return not self.process_ids()

    def kill_all(self) -> None:
        for pid in [self.process.pid, *self.process_ids()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
