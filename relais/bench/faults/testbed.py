"""The processes under test: a whole Relais and a double of Twilio, and the signed-in agents."""

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

from relais.bench.instance import START_TIMEOUT_SECONDS, RelaisInstance, SignedInUser
from relais.emulator.testing import wait_for
from relais.environment import ROOT
from relais.ops.port import free_port
from relais.ops.process import dies_with_parent

NUMBER = "whatsapp:+212522000000"
AGENTS = ("awa", "koffi", "mariam", "salif")
RETRY = "#rc=3&rp=5xx,ct,rt"
"""The fragment that docs/operating.md tells operators to append to the webhook's address."""
ECHO = "↩ "
SMALL_DISK_BYTES = 800 * 2**20
"""Room for the database and its WAL during a long run; the full-disk fault fills it up, in memory."""
MOUNT_SMALL_DISK = 'mount -t tmpfs -o size="$1",mode=755 tmpfs "$0" && shift && exec "$@"'


class TwilioDouble:
    """The double in a process of its own, driven by its control API; thread-safe."""

    def __init__(self, environment: dict[str, str], output: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = environment
        self._output = output
        self._thread_local = threading.local()

    def start(self) -> None:
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "relais", "emulator", "--port", str(self.port)],
                cwd=ROOT, env=self._environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                preexec_fn=dies_with_parent(),
            )  # fmt: skip
        wait_for(self._is_listening, START_TIMEOUT_SECONDS, "the double to listen")

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()

    def get(self, path: str) -> dict[str, Any]:
        return self._checked_json(self._http.get(f"{self.url}/control/{path}", timeout=60))

    def post(self, path: str, body: Any) -> dict[str, Any]:
        return self._checked_json(self._http.post(f"{self.url}/control/{path}", json=body, timeout=60))

    def clear_faults(self) -> None:
        self._http.delete(f"{self.url}/control/faults", timeout=60)

    @property
    def _http(self) -> requests.Session:
        if not hasattr(self._thread_local, "session"):
            self._thread_local.session = requests.Session()
            self._thread_local.session.trust_env = False
        session: requests.Session = self._thread_local.session
        return session

    def _is_listening(self) -> bool:
        with suppress(requests.ConnectionError):
            return bool(self.get("state"))
        return False

    @staticmethod
    def _checked_json(response: requests.Response) -> dict[str, Any]:
        response.raise_for_status()
        payload: dict[str, Any] = response.json()
        return payload


SELECT_BACKLOG = """
select greatest(
  (select count(*) from message_deliveries where state in ('queued', 'sending')),
  (select count(*) from procrastinate_jobs where status = 'todo' and task_name ~ '^relais.flows.tasks.run_bot'))
"""


@dataclass
class Testbed:
    desk: RelaisInstance
    twilio: TwilioDouble
    users: dict[str, SignedInUser]
    """By e-mail address."""
    has_small_disk: bool = False
    """Whether the data folder lies on a disk of its own that may be filled."""

    @property
    def outbox(self) -> int:
        undecided = "select count(*) from message_deliveries where state in ('queued', 'sending')"
        return int(self.desk.query(undecided)[0][0])

    @property
    def backlog(self) -> int:
        """Queued messages or waiting jobs of the bot, whichever are more."""
        return int(self.desk.query(SELECT_BACKLOG)[0][0])


def can_mount() -> bool:
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    with suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


def _small_disk(folder: Path) -> list[str]:
    """A command prefix that mounts a tmpfs at `folder` in a mount namespace, which ends with its last process."""
    folder.mkdir()
    return ["unshare", "--mount", "sh", "-c", MOUNT_SMALL_DISK, os.fspath(folder), str(SMALL_DISK_BYTES)]


@contextmanager
def running_testbed(*, keep: bool = False, small_disk: bool = False, **settings: Any) -> Iterator[Testbed]:
    """`settings` are the double's. After the block everything is removed, except the folder if `keep`."""
    with _folder(keep) as folder:
        port = free_port()
        desk = RelaisInstance(
            folder / "data",
            port,
            {
                "TWILIO_ACCOUNT_SID": "AC" + "6" * 32,
                "TWILIO_AUTH_TOKEN": "c" * 32,
                "TWILIO_WHATSAPP_NUMBER": NUMBER.removeprefix("whatsapp:"),
                "PUBLIC_BASE_URL": f"http://localhost:{port}",
            },
            command_prefix=_small_disk(folder / "data") if small_disk else (),
        )
        twilio = TwilioDouble(desk.environment, folder / "double.out")
        desk.environment = desk.environment | {"TWILIO_API_BASE_URL": twilio.url}
        try:
            twilio.start()
            webhook = f"http://localhost:{port}/api/twilio/message{RETRY}"
            twilio.post("settings", {"senders": {NUMBER: webhook}, "keep_messages": 10**9} | settings)
            desk.start()
            _import_echo_flow(desk, folder / "echo.json")
            yield Testbed(desk, twilio, _create_agents(desk), small_disk)
        finally:
            _end(desk)
            twilio.stop()


@contextmanager
def _folder(keep: bool) -> Iterator[Path]:
    if keep:
        yield Path(tempfile.mkdtemp(prefix="relais-faults-"))
    else:
        with tempfile.TemporaryDirectory(prefix="relais-faults-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)


def _end(desk: RelaisInstance) -> None:
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


def _create_agents(desk: RelaisInstance) -> dict[str, SignedInUser]:
    return {f"{name}@example.com": desk.create_agent(f"{name}@example.com", name.title()) for name in AGENTS}


def _import_echo_flow(desk: RelaisInstance, file: Path) -> None:
    """Publish a flow that repeats each message once, so that the bot's texts can be counted."""
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
    imported = desk.command("flow", "import", os.fspath(file), "--name", "Echo", "--answers")
    if imported.returncode:
        raise RuntimeError(imported.stderr)
