"""A whole Relais for a measurement or a story: `relais up` with its processes, a free port, an empty folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import requests

from relais.emulator.testing import wait_for
from relais.environment import ROOT
from relais.ops.database import dsn
from relais.ops.port import free_port
from relais.ops.process import dies_with_parent

START = 60.0
PASSWORD = "un bon mot de passe"  # noqa: S105
OURS = re.compile(
    r"^(TWILIO_|RELAIS_|STUDIO_)|^(DATABASE_URL|PUBLIC_BASE_URL|DJANGO_SETTINGS_MODULE|EMAIL_URL)$"
)


class Desk:
    def __init__(
        self, folder: Path, port: int, environment: dict[str, str], within: Sequence[str] = ()
    ) -> None:
        """`within`: a command that ends by running what follows it, in a place of its own."""
        self.folder = folder
        self.within = within
        self.port = port
        self.url = f"http://localhost:{port}"
        clean = {name: value for name, value in os.environ.items() if not OURS.match(name)}
        self.environment = (
            clean
            | {
                "RELAIS_DATA_DIR": str(folder),
                "RELAIS_PORT": str(port),
                "RELAIS_ENV_FILE": os.devnull,
            }
            | environment
        )
        self.output = folder.with_suffix(".out")

    def start(self) -> None:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.within, sys.executable, "-m", "relais", "up"],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                preexec_fn=dies_with_parent(),  # However a measurement is ended, nothing of it stays.
            )
        wait_for(lambda: self.is_well() or self.process.poll() is not None, START, "relais up to be well")
        assert self.process.poll() is None, self.output.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    @property
    def seen_folder(self) -> Path:
        """Its data folder as it is seen from here, also when it lies on a disk that only its processes see."""
        return Path(f"/proc/{self.process.pid}/root{self.folder}") if self.within else self.folder

    def is_well(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/api/health", timeout=3).status_code == 200
        return False

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        same_place = ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", f"--wd={ROOT}", "--"]
        return subprocess.run(
            [*(same_place if self.within else ()), sys.executable, "-m", "relais", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def child(self, name: str) -> int:
        """The process id of `relais web` or `relais jobs`."""

        def found() -> int:
            for stat in Path("/proc").glob("[0-9]*/stat"):
                with suppress(OSError, IndexError, ValueError):
                    if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                        words = stat.with_name("cmdline").read_bytes().split(b"\0")
                        if name.encode() in words:
                            return int(stat.parent.name)
            return 0

        return wait_for(found, START, f"the process {name}")

    def kill(self, name: str) -> None:
        """SIGKILL, as if the machine had taken it; returns when another one lives."""
        gone = self.child(name)
        os.kill(gone, signal.SIGKILL)
        wait_for(lambda: self.child(name) != gone, START, f"{name} to be started again")

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.connect() as database:
            return database.execute(query, parameters).fetchall()

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(dsn(self.seen_folder))

    def hire(self, email: str, name: str, password: str = PASSWORD) -> Person:
        """A new agent, signed in."""
        given = ("--email", email, "--name", name, "--role", "agent", "--password", password)
        made = self.command("user", "create", *given)
        if made.returncode:
            raise RuntimeError(made.stderr)
        return self.person(email, password)

    def person(self, email: str, password: str) -> Person:
        return Person(self, email, password)


class Person:
    """Someone signed in, who acts through the pages' own forms and JSON answers."""

    def __init__(self, desk: Desk, email: str, password: str) -> None:
        self.desk = desk
        self.http = requests.Session()
        self.http.get(f"{desk.url}/accounts/login/", timeout=10)
        answer = self.http.post(
            f"{desk.url}/accounts/login/",
            data={
                "login": email,
                "password": password,
                "csrfmiddlewaretoken": self.http.cookies["csrftoken"],
            },
            headers={"Referer": f"{desk.url}/accounts/login/"},
            timeout=10,
        )
        assert "/accounts/login" not in answer.url, answer.text

    def does(self, verb: str, conversation: int, **fields: str) -> requests.Response:
        headers = {
            "Accept": "application/json",
            "X-CSRFToken": self.http.cookies["csrftoken"],
            "Referer": self.desk.url,
        }
        path = f"{self.desk.url}/dashboard/chat/{conversation}/{verb}"
        return self.http.post(path, data=fields, headers=headers, timeout=10, allow_redirects=False)


@contextmanager
def running_desk(folder: Path, *, port: int = 0, **environment: str) -> Iterator[Desk]:
    desk = Desk(folder, port or free_port(), environment)
    desk.start()
    try:
        yield desk
    finally:
        if desk.process.poll() is None:
            assert desk.stop() == 0, desk.output.read_text()
