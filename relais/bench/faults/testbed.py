"""The whole desk and a double of Twilio, all as processes of their own, and the people at work there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from relais.bench.desk import START, Desk, Person
from relais.emulator.testing import wait_for
from relais.environment import ROOT
from relais.ops.port import free_port
from relais.ops.process import dies_with_parent

NUMBER = "whatsapp:+212522000000"
AGENTS = ("awa", "koffi", "mariam", "salif")
RETRY = "#rc=3&rp=5xx,ct,rt"
"""What docs/operating.md tells people to write behind the webhook's address."""
ECHO = "↩ "
SMALL_DISK_BYTES = 800 * 2**20
"""Room for the database and its log of changes during a long run; a full disk is filled up to here, in memory."""
MOUNT_SMALL_DISK = 'mount -t tmpfs -o size="$1",mode=755 tmpfs "$0" && shift && exec "$@"'


class Twilio:
    """The double in a process of its own, told what to do by its control API; may be called from any thread."""

    def __init__(self, environment: dict[str, str], output: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = environment
        self._output = output
        self._mine = threading.local()

    def start(self) -> None:
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "relais", "emulator", "--port", str(self.port)],
                cwd=ROOT, env=self._environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                preexec_fn=dies_with_parent(),
            )  # fmt: skip
        wait_for(self._listens, START, "the double to listen")

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()

    def get(self, path: str) -> dict[str, Any]:
        return self._answered(self._http.get(f"{self.url}/control/{path}", timeout=60))

    def post(self, path: str, body: Any) -> dict[str, Any]:
        return self._answered(self._http.post(f"{self.url}/control/{path}", json=body, timeout=60))

    def no_more_faults(self) -> None:
        self._http.delete(f"{self.url}/control/faults", timeout=60)

    @property
    def _http(self) -> requests.Session:
        if not hasattr(self._mine, "session"):
            self._mine.session = requests.Session()
            self._mine.session.trust_env = False
        session: requests.Session = self._mine.session
        return session

    def _listens(self) -> bool:
        with suppress(requests.ConnectionError):
            return bool(self.get("state"))
        return False

    @staticmethod
    def _answered(answer: requests.Response) -> dict[str, Any]:
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told


WAITING = """
select greatest(
  (select count(*) from message_deliveries where state in ('queued', 'sending')),
  (select count(*) from procrastinate_jobs where status = 'todo' and task_name ~ '^relais.flows.tasks.run_bot'))
"""


@dataclass
class Stage:
    desk: Desk
    twilio: Twilio
    people: dict[str, Person]
    """By e-mail address."""
    has_small_disk: bool = False
    """Whether the data folder lies on a disk of its own that may be filled."""

    @property
    def outbox(self) -> int:
        undecided = "select count(*) from message_deliveries where state in ('queued', 'sending')"
        return int(self.desk.ask(undecided)[0][0])

    @property
    def waiting(self) -> int:
        """Messages that are to leave, or jobs of the bot that are to begin: whichever are more."""
        return int(self.desk.ask(WAITING)[0][0])


def may_mount() -> bool:
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    with suppress(FileNotFoundError):
        return subprocess.run(tried, capture_output=True, check=False).returncode == 0
    return False


def _small_disk(folder: Path) -> list[str]:
    """A command that mounts a disk at `folder`, which only what it runs sees: gone with the last process."""
    folder.mkdir()
    return ["unshare", "--mount", "sh", "-c", MOUNT_SMALL_DISK, os.fspath(folder), str(SMALL_DISK_BYTES)]


@contextmanager
def set_up(*, keep: bool = False, small_disk: bool = False, **settings: Any) -> Iterator[Stage]:
    """`settings` are the double's. Everything is gone after the block, the folder too unless it is to be kept."""
    with _folder(keep) as folder:
        port = free_port()
        desk = Desk(
            folder / "data",
            port,
            {
                "TWILIO_ACCOUNT_SID": "AC" + "6" * 32,
                "TWILIO_AUTH_TOKEN": "c" * 32,
                "TWILIO_WHATSAPP_NUMBER": NUMBER.removeprefix("whatsapp:"),
                "PUBLIC_BASE_URL": f"http://localhost:{port}",
            },
            within=_small_disk(folder / "data") if small_disk else (),
        )
        twilio = Twilio(desk.environment, folder / "double.out")
        desk.environment = desk.environment | {"TWILIO_API_BASE_URL": twilio.url}
        try:
            twilio.start()
            webhook = f"http://localhost:{port}/api/twilio/message{RETRY}"
            twilio.post("settings", {"senders": {NUMBER: webhook}, "keep_messages": 10**9} | settings)
            desk.start()
            _teach(desk, folder / "echo.json")
            yield Stage(desk, twilio, _people(desk), small_disk)
        finally:
            _end(desk)
            twilio.stop()


@contextmanager
def _folder(keep: bool) -> Iterator[Path]:
    if keep:
        yield Path(tempfile.mkdtemp(prefix="relais-faults-"))
    else:
        with tempfile.TemporaryDirectory(prefix="relais-faults-", ignore_cleanup_errors=True) as made:
            yield Path(made)


def _end(desk: Desk) -> None:
    if not hasattr(desk, "process"):
        return
    with suppress(ProcessLookupError):
        desk.process.send_signal(signal.SIGCONT)
    if desk.process.poll() is None:
        try:
            desk.stop()
        except subprocess.TimeoutExpired:
            # Its children die with it.
            desk.process.kill()
            desk.process.wait()


def _people(desk: Desk) -> dict[str, Person]:
    return {f"{name}@example.com": desk.hire(f"{name}@example.com", name.title()) for name in AGENTS}


def _teach(desk: Desk, file: Path) -> None:
    """The bot repeats each message once, so that what it should have said can be counted."""
    trigger = {"event": "incomingMessage", "next": "echo"}
    states = [
        {"name": "Trigger", "type": "trigger", "transitions": [trigger], "properties": {}},
        {
            "name": "echo",
            "type": "send-message",
            "transitions": [{"event": "sent"}, {"event": "failed"}],
            "properties": {"body": ECHO + "{{trigger.message.Body}}", "from": "{{flow.channel.address}}"},
        },
    ]
    flow = {"description": "echo", "states": states, "initial_state": "Trigger", "flags": {}}
    file.write_text(json.dumps(flow), encoding="utf-8")
    kept = desk.command("flow", "import", os.fspath(file), "--name", "Echo", "--answers")
    if kept.returncode:
        raise RuntimeError(kept.stderr)
