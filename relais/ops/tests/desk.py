"""A desk run by `relais up` in a process of its own, as a person would run it, for the tests to watch and to harm."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from relais.ops.port import free_port

STAND_INS = Path(__file__).with_name("stand_ins.py")
_OURS = ("TWILIO_", "RELAIS_", "STUDIO_", "DATABASE_URL", "PUBLIC_BASE_URL", "EMAIL_URL")


def until(condition: Callable[[], object], *, within: float = 20, what: str = "") -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


class Desk:
    def __init__(self, folder: Path, port: int | None = None, **variables: str) -> None:
        self.data = folder / "data"
        self.port = port or free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self.variables = {
            **kept, "RELAIS_DATA_DIR": str(self.data), "RELAIS_PORT": str(self.port),
            "RELAIS_ENV_FILE": os.devnull, **variables,
        }  # fmt: skip
        self.before = {child: len(self.starts_of(child)) for child in ("web", "jobs")}
        self.output = Path(tempfile.mkstemp(prefix="output-", dir=folder)[1])
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, STAND_INS], env=self.variables, stdout=output, stderr=output
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def is_ready(self) -> "Desk":
        until(lambda: self._runs() or self.process.poll() is not None, what="ready")
        assert self.process.poll() is None, self.said
        return self

    def _runs(self) -> bool:
        started = all(len(self.starts_of(child)) > before for child, before in self.before.items())
        return started and "Relais is ready" in self.said

    def is_told(self, signum: int) -> None:
        self.process.send_signal(signum)

    def ends(self, within: float = 15) -> int:
        return self.process.wait(within)

    def starts_of(self, child: str) -> list[int]:
        file = self.data / f"{child}.starts"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def everyone(self) -> list[int]:
        """Every process that has to do with this desk's data folder or is its child."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                except OSError:
                    continue
                if os.fsencode(self.data) in told:
                    found.append(int(entry.name))
        return found

    def is_gone(self) -> bool:
        return not self.everyone()

    def clear_away(self) -> None:
        for pid in [self.process.pid, *self.everyone()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
