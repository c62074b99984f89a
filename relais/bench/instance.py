"""A complete Relais instance for measurements and stories: `relais up` on a free port with an empty data folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import requests

from relais.emulator.testing import wait_for
from relais.environment import ROOT
from relais.ops.database import dsn
from relais.ops.errors import OperationError
from relais.ops.port import free_port
from relais.ops.process import dies_with_parent
from relais.ops.restart_backoff import EXIT_WINDOW_SECONDS, is_crash_loop, recent_exits

START_TIMEOUT_SECONDS = 60.0
PASSWORD = "un bon mot de passe"  # noqa: S105
RELAIS_VARIABLES = re.compile(
    r"^(TWILIO_|RELAIS_|STUDIO_)|^(DATABASE_URL|PUBLIC_BASE_URL|DJANGO_SETTINGS_MODULE|EMAIL_URL)$"
)


def environment_for(folder: Path) -> dict[str, str]:
    """The variables of an empty demo in that data folder, without the Relais variables of this process."""
    clean = {name: value for name, value in os.environ.items() if not RELAIS_VARIABLES.match(name)}
    return clean | {
        "RELAIS_DATA_DIR": str(folder),
        "RELAIS_ENV_FILE": os.devnull,
        "RELAIS_DEMO_CONVERSATIONS": "0",
    }


def run_prepare(variables: dict[str, str]) -> None:
    """Create the tables, and the accounts of a demo, by `relais prepare`. Raises OperationError."""
    process = subprocess.run(
        [sys.executable, "-m", "relais", "prepare"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise OperationError(f"The tables could not be created: {process.stderr.strip()}")


class RelaisInstance:
    def __init__(
        self, folder: Path, port: int, environment: dict[str, str], command_prefix: Sequence[str] = ()
    ) -> None:
        """`command_prefix`: a command that runs what follows it, such as in a mount namespace of its own."""
        self.folder = folder
        self.command_prefix = command_prefix
        self.port = port
        self.url = f"http://localhost:{port}"
        self.environment = environment_for(folder) | {"RELAIS_PORT": str(port)} | environment
        self.output = folder.with_suffix(".out")
        self.kills: defaultdict[str, list[float]] = defaultdict(list)

    def start(self) -> None:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.command_prefix, sys.executable, "-m", "relais", "up"],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                preexec_fn=dies_with_parent(),  # No process survives the measurement.
            )
        wait_for(
            lambda: self.is_healthy() or self.process.poll() is not None,
            START_TIMEOUT_SECONDS,
            "relais up to be well",
        )
        assert self.process.poll() is None, self.output.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    @property
    def visible_folder(self) -> Path:
        """The data folder as this process sees it, also when it is mounted in the instance's namespace only."""
        return Path(f"/proc/{self.process.pid}/root{self.folder}") if self.command_prefix else self.folder

    def is_healthy(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/api/health", timeout=3).status_code == 200
        return False

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        enter_namespace = ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", f"--wd={ROOT}", "--"]
        return subprocess.run(
            [*(enter_namespace if self.command_prefix else ()), sys.executable, "-m", "relais", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def child_pid(self, name: str) -> int:
        """The process id of `relais web` or `relais jobs`."""

        def find_pid() -> int:
            for stat in Path("/proc").glob("[0-9]*/stat"):
                with suppress(OSError, IndexError, ValueError):
                    if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                        arguments_of_process = stat.with_name("cmdline").read_bytes().split(b"\0")
                        if name.encode() in arguments_of_process:
                            return int(stat.parent.name)
            return 0

        return wait_for(find_pid, START_TIMEOUT_SECONDS, f"the process {name}")

    def kill(self, name: str) -> None:
        """Send SIGKILL; return when the supervisor has started another one."""
        killed_pid = self.child_pid(name)
        os.kill(killed_pid, signal.SIGKILL)
        wait_for(
            lambda: self.child_pid(name) != killed_pid, START_TIMEOUT_SECONDS, f"{name} to be started again"
        )
        self.kills[name].append(time.monotonic())

    def wait_until_killable(self, name: str) -> None:
        """Return when one more exit of it is not yet the crash loop at which the supervisor stops everything."""
        wait_for(
            lambda: not is_crash_loop(len(recent_exits(self.kills[name], time.monotonic())) + 1),
            EXIT_WINDOW_SECONDS + 1,
            f"the supervisor to forget an exit of {name}",
        )

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.connect() as database:
            return database.execute(statement, parameters).fetchall()

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(dsn(self.visible_folder))

    def create_agent(self, email: str, name: str, password: str = PASSWORD) -> SignedInUser:
        """Create an agent and sign in."""
        arguments = ("--email", email, "--name", name, "--role", "agent", "--password", password)
        created = self.command("user", "create", *arguments)
        if created.returncode:
            raise RuntimeError(created.stderr)
        return self.sign_in(email, password)

    def sign_in(self, email: str, password: str) -> SignedInUser:
        return SignedInUser(self, email, password)


class SignedInUser:
    """A signed-in HTTP session that posts the pages' actions and reads JSON responses."""

    def __init__(self, desk: RelaisInstance, email: str, password: str) -> None:
        self.desk = desk
        self.http = requests.Session()
        self.http.get(f"{desk.url}/accounts/login/", timeout=30)
        response = self.http.post(
            f"{desk.url}/accounts/login/",
            data={
                "login": email,
                "password": password,
                "csrfmiddlewaretoken": self.http.cookies["csrftoken"],
            },
            headers={"Referer": f"{desk.url}/accounts/login/"},
            timeout=30,
        )
        assert "/accounts/login" not in response.url, response.text

    def post_action(self, verb: str, conversation: int, **fields: str) -> requests.Response:
        return self._post(f"/dashboard/chat/{conversation}/{verb}", fields, [])

    def send_files(
        self, conversation: int, *files: tuple[str, bytes], message: str = "", ref: str
    ) -> requests.Response:
        return self._post(f"/dashboard/chat/{conversation}/send", {"message": message, "ref": ref}, files)

    def _post(
        self, path: str, fields: dict[str, str], files: Sequence[tuple[str, bytes]]
    ) -> requests.Response:
        headers = {
            "Accept": "application/json",
            "X-CSRFToken": self.http.cookies["csrftoken"],
            "Referer": self.desk.url,
        }
        return self.http.post(
            self.desk.url + path,
            data=fields,
            files=[("files", file) for file in files] or None,
            headers=headers,
            timeout=30,
            allow_redirects=False,
        )


def is_ready(url: str) -> bool:
    """Whether a web server answers at `url` and reaches its database."""
    with suppress(requests.RequestException):
        return requests.get(f"{url}/api/ready", timeout=3).status_code == 200
    return False


@contextmanager
def running_instance(folder: Path, *, port: int = 0, **environment: str) -> Iterator[RelaisInstance]:
    desk = RelaisInstance(folder, port or free_port(), environment)
    desk.start()
    try:
        yield desk
    finally:
        if desk.process.poll() is None:
            assert desk.stop() == 0, desk.output.read_text()
