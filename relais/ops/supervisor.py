"""`relais up`: one process that starts the others, keeps them running and stops them in order.

Standard library only and never a thread: it stays small, and its children may be forked at any time.
"""

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from relais.data_folder import DataFolder
from relais.environment import Environment
from relais.ops import database, port
from relais.ops.banner import answers_well, banner
from relais.ops.child_process import Child
from relais.ops.disk import is_full
from relais.ops.errors import OperationError
from relais.ops.health_watchdog import HealthProbe, HealthWatchdog
from relais.ops.log_files import Tail, keep_short, last_lines, write_line
from relais.ops.log_format import in_words, instant
from relais.ops.process import lives
from relais.ops.signals import Bell, Rung

STDOUT_FD = 1
RELAIS = (sys.executable, "-P", "-m", "relais")


class Database(Child):
    """The embedded database among the children: it has its own way to start and to stop."""

    def __init__(self, cluster: database.Cluster) -> None:
        super().__init__("database", (), log=cluster.log, patience=8)
        self.cluster = cluster

    def start(self) -> None:
        self.cluster.start()
        self.process = self.cluster.process

    def ask_to_stop(self) -> None:
        self.cluster.ask_to_stop()

    def kill(self) -> None:
        self.cluster.kill()

    def tidy(self) -> None:
        self.cluster.tidy()


class Supervisor:
    """Starts wave after wave, and stops them in the opposite order."""

    def __init__(self, bell: Bell, folder: Path) -> None:
        self.bell = bell
        self.folder = folder
        self.waits_for_room = False
        self.waves: list[list[Child]] = []
        self.tails: dict[str, Tail] = {}
        self.health: HealthWatchdog | None = None

    # -- starting -----------------------------------------------------------------------------------------

    def start(self, *wave: Child) -> None:
        self.waves.append(list(wave))
        for child in wave:
            if not isinstance(child, Database):  # What the database has to say is for its log.
                self.tails[child.name] = Tail(child.log)
            child.start()

    def finish(self, child: Child) -> None:
        """Runs what has an end, such as the migrations, to its end."""
        self.start(child)
        while child.runs:
            self.bell.pause(0.5)
            self._show_logs()
        self._show_logs()
        self.waves.pop()
        if child.process is not None and child.process.returncode:
            raise OperationError(
                f"Relais could not be prepared; what it said stands above and in {child.log}."
            )

    # -- running ------------------------------------------------------------------------------------------

    def look_after(self, seconds: float) -> None:
        """One round: wait, show what was logged, start again what has died."""
        self.bell.pause(seconds)
        self._show_logs()
        for child in self._everyone():
            if child.process is not None and not child.runs:
                self._mourn(child)
            elif child.process is None and time.monotonic() >= child.due:
                self._start_again(child)
        self._restart_the_ill()

    def _restart_the_ill(self) -> None:
        for child in self._everyone():
            if child.overstays:
                child.kill()
        if self.health is None:
            return
        if any(not child.runs for child in self._everyone()) or is_full(self.folder):
            self.health.reset()  # Somebody is being started again already, or nothing can be written down.
            return
        for name, why in self.health.children_to_restart().items():
            for child in self._everyone():
                if child.name == name:
                    tell(f"{name} is restarted: {why}.", child=name)
                    child.restart()

    def _mourn(self, child: Child) -> None:
        code = child.process.returncode if child.process else None
        full, wait = self._full_disk(), child.note_death()
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
        if child.dies_too_often and not full:
            tail = "\n".join(f"  {line}" for line in last_lines(child.log, 15))
            raise OperationError(f"{child.name} {how}, for the fifth time in a minute: Relais stops.\n{tail}")
        tell(f"{child.name} {how}; it is started again in {wait} s.", child=child.name, code=code)

    def _start_again(self, child: Child) -> None:
        if self._full_disk() and isinstance(child, Database):
            return  # It would find no room to recover in, and die again.
        try:
            child.start()
        except (OSError, OperationError) as error:
            tell(f"{child.name} could not be started: {error}", child=child.name)
            if child.note_death() and child.dies_too_often and not self.waits_for_room:
                raise OperationError(f"{child.name} cannot be started: Relais stops.") from error

    def _full_disk(self) -> bool:
        """No death counts while the disk is full; it is said when it begins and when it ends."""
        full = is_full(self.folder)
        if full and not self.waits_for_room:
            tell(f"The disk that holds {self.folder} is full: Relais waits until there is room again.")
        elif self.waits_for_room and not full:
            tell(f"There is room again on the disk that holds {self.folder}.")
        self.waits_for_room = full
        return full

    def _show_logs(self) -> None:
        for child in self._everyone():
            if not child.sets_its_log_aside:
                keep_short(child.log)
        for name, tail in self.tails.items():
            for line in tail.new_lines():
                pass_on(name, line)

    def _everyone(self) -> list[Child]:
        return [child for wave in self.waves for child in wave]

    # -- stopping -----------------------------------------------------------------------------------------

    def stop(self) -> bool:
        """True when everyone had the time to finish; a second signal ends them at once."""
        try:
            while self.waves:
                self._stop_wave(self.waves[-1])
                self._show_logs()
                self.waves.pop()
        except Rung:
            for child in reversed(self._everyone()):
                child.kill()
            return False
        return True

    def _stop_wave(self, wave: Sequence[Child]) -> None:
        began = time.monotonic()
        for child in wave:
            child.ask_to_stop()
        while running := [child for child in wave if child.runs]:
            for child in running:
                if time.monotonic() - began > child.patience:
                    tell(
                        f"{child.name} did not end within {child.patience:.0f} s and is ended by force.",
                        child=child.name,
                    )
                    child.kill()
            self.bell.pause(0.1)
        for child in wave:
            child.tidy()


def up(environment: Environment) -> int:
    with Bell() as bell:
        try:
            with only_one(environment.data_dir, bell) as lock:
                return _up(environment, bell, lock)
        except Rung:
            return 0  # While it waited for an earlier one to end.


def _up(environment: Environment, bell: Bell, lock: int) -> int:
    listener = port.listen(environment.host, environment.port)
    supervisor = Supervisor(bell, environment.data_dir)
    try:
        start_everything(supervisor, environment, listener, lock)
    except Rung:
        tell("Relais s'arrête · Relais is stopping …", level="info")
        listener.close()  # Else the system would go on taking connections that nobody answers.
        return 0 if supervisor.stop() else 1
    except BaseException:
        listener.close()
        supervisor.stop()
        raise
    finally:
        DataFolder(environment.data_dir).forget_emulator()


def start_everything(
    supervisor: Supervisor, environment: Environment, listener: socket.socket, lock: int
) -> NoReturn:
    logs = environment.data_dir / "log"
    variables = {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1", "RELAIS_SUPERVISOR": str(os.getpid())}

    def child(name: str, *arguments: str, patience: float, inherits: Sequence[int] = ()) -> Child:
        return Child(
            name, [*RELAIS, *arguments], log=logs / f"{name}.log",
            patience=patience, variables=variables, inherits=[lock, *inherits],
            sets_its_log_aside=name in ("web", "jobs"),
        )  # fmt: skip

    if environment.embedded_database:
        supervisor.start(Database(database.Cluster(environment.data_dir, pause=supervisor.bell.pause)))
    if environment.demo:
        emulator_port = port.free_port()
        variables["RELAIS_EMULATOR_URL"] = f"http://127.0.0.1:{emulator_port}"
        DataFolder(environment.data_dir).remember_emulator(variables["RELAIS_EMULATOR_URL"])
        supervisor.start(child("emulator", "emulator", "--port", str(emulator_port), patience=1))
    # They load while the tables are prepared, and go on when the pipe's other end is closed.
    gate, prepared = os.pipe()
    fd = listener.fileno()
    if sys.stdout.isatty():  # They hold links to set a password, which are for no collector of logs.
        supervisor.tails["mail"] = Tail(logs / "mail.log")
    supervisor.start(
        child("web", "web", "--fd", str(fd), "--after", str(gate), patience=10, inherits=[fd, gate]),
        child("jobs", "jobs", "--after", str(gate), patience=10, inherits=[gate]),
    )
    supervisor.finish(child("prepare", "prepare", patience=5))
    os.close(prepared)
    address = listener.getsockname()[:2]
    supervisor.health = HealthWatchdog(lambda: HealthProbe(address))
    _wait_until_well(supervisor, listener, logs)
    say(banner(environment))
    while True:
        supervisor.look_after(0.5)


def _wait_until_well(supervisor: Supervisor, listener: socket.socket, logs: Path) -> None:
    began, told = time.monotonic(), False
    while not answers_well(listener):
        supervisor.look_after(0.1)
        if not told and time.monotonic() - began > 30:
            tell(f"Relais is not well yet: see /api/health and the logs in {logs}.")
            told = True


@contextmanager
def only_one(folder: Path, bell: Bell) -> Iterator[int]:
    """The lock is inherited by the children: whoever has it knows that the last of them is gone."""
    lock = os.open(folder / "relais.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        began = time.monotonic()
        while not _locked(lock):
            holder = os.pread(lock, 20, 0).decode() or "unknown"
            # One that was just killed still counts as alive for a moment, and its children for some seconds more.
            alive = holder.isdigit() and lives(int(holder))
            if time.monotonic() - began > (3 if alive else 20):
                raise OperationError(
                    f"Relais runs already on the data in {folder} (process {holder}): "
                    "stop that one, or choose another folder by RELAIS_DATA_DIR."
                )
            bell.pause(0.1)
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d" % os.getpid(), 0)
        yield lock
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def pass_on(name: str, line: str) -> None:
    """For a person in words, for a collector of logs as it was written."""
    if sys.stdout.isatty():
        say(f"{name:8} | {in_words(line)}")
    else:
        say(line if line.startswith("{") else f"{name:8} | {line}")


def tell(sentence: str, *, level: str = "warning", **ids: object) -> None:
    """What happened to the processes: a sentence, and for a collector of logs a line like those of the processes."""
    told = {"at": instant(time.time()), "level": level, "logger": __name__, "event": sentence, **ids}
    line = {**told, "process": "up", "pid": os.getpid()}
    say(sentence if sys.stdout.isatty() else json.dumps(line, ensure_ascii=False))


def say(text: str) -> None:
    # The terminal may be gone; that is no reason to stop badly.
    with suppress(OSError):
        write_line(STDOUT_FD, f"{text}\n".encode(sys.stdout.encoding, errors="replace"))
