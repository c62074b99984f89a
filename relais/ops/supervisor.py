"""The supervisor (`relais up`): starts the other processes, restarts those that exit, and stops all in order.

Standard library only and no threads: it stays small, and may fork at any time.
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
from relais.ops.banner import banner, is_healthy
from relais.ops.child_process import STOP_TIMEOUT_SECONDS, Child
from relais.ops.disk_thresholds import is_full
from relais.ops.errors import OperationError
from relais.ops.health_watchdog import HealthProbe, HealthWatchdog
from relais.ops.log_files import LogTail, last_lines, write_line
from relais.ops.log_format import is_routine, iso_timestamp, to_human
from relais.ops.log_rotation import copy_and_truncate
from relais.ops.process import is_alive
from relais.ops.restart_backoff import CRASH_LOOP_TEXT
from relais.ops.signals import SignalWaiter, StopRequested

STDOUT_FD = 1
SETTLE_SECONDS = 0.5
RELAIS_COMMAND = (sys.executable, "-P", "-m", "relais")


class Database(Child):
    """The embedded database as a child: the cluster starts and stops it."""

    def __init__(self, cluster: database.Cluster) -> None:
        super().__init__("database", (), log=cluster.log, stop_timeout=STOP_TIMEOUT_SECONDS["database"])
        self.cluster = cluster

    def start(self) -> None:
        self.cluster.start()
        self.process = self.cluster.process

    def request_stop(self) -> None:
        self.cluster.request_stop()

    def kill(self) -> None:
        self.cluster.kill()

    def clean_up(self) -> None:
        self.cluster.clean_up()


class Supervisor:
    """Starts its children in waves, and stops the waves in reverse order."""

    def __init__(self, signals: SignalWaiter, folder: Path) -> None:
        self.signals = signals
        self.folder = folder
        self.waits_for_disk_space = False
        self.relays_routine_lines = True
        self.waves: list[list[Child]] = []
        self.log_tails: dict[str, LogTail] = {}
        self.health: HealthWatchdog | None = None

    # -- starting -----------------------------------------------------------------------------------------

    def start(self, *wave: Child) -> None:
        self.waves.append(list(wave))
        for child in wave:
            if not isinstance(child, Database):  # The database logs to its file only.
                self.log_tails[child.name] = LogTail(child.log)
            child.start()

    def run_to_completion(self, child: Child) -> None:
        """For a child that ends by itself, such as the migrations."""
        self.start(child)
        while child.is_running:
            self.signals.wait(0.5)
            self._relay_logs()
        self._relay_logs()
        self.waves.pop()
        if child.process is not None and child.process.returncode:
            raise OperationError(f"Relais could not be prepared; the reason stands above and in {child.log}.")

    # -- running ------------------------------------------------------------------------------------------

    def tick(self, seconds: float) -> None:
        """Wait, relay new log lines, restart what has exited or is unhealthy."""
        self.signals.wait(seconds)
        self._relay_logs()
        for child in self._children():
            if child.process is not None and not child.is_running:
                self._handle_exit(child)
            elif child.process is None and time.monotonic() >= child.restart_at:
                self._restart_exited(child)
        self._restart_unhealthy()

    def _restart_unhealthy(self) -> None:
        for child in self._children():
            if child.exceeds_stop_timeout:
                child.kill()
        if self.health is None:
            return
        if any(not child.is_running for child in self._children()) or is_full(self.folder):
            self.health.reset()  # A child is being restarted already, or the full disk is the cause.
            return
        for name, reason in self.health.children_to_restart().items():
            for child in self._children():
                if child.name == name:
                    print_notice(f"{name} is restarted: {reason}.", child=name)
                    child.restart()

    def _handle_exit(self, child: Child) -> None:
        code = child.process.returncode if child.process else None
        disk_is_full, delay = self._disk_is_full(), child.record_exit()
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
        if child.is_crash_looping and not disk_is_full:
            tail = "\n".join(f"  {line}" for line in last_lines(child.log, 15))
            raise OperationError(f"{child.name} {how}, {CRASH_LOOP_TEXT}: Relais stops.\n{tail}")
        print_notice(f"{child.name} {how}; it is started again in {delay} s.", child=child.name, code=code)

    def _restart_exited(self, child: Child) -> None:
        if self._disk_is_full() and isinstance(child, Database):
            return  # It would find no space to recover in, and exit again.
        try:
            child.start()
        except (OSError, OperationError) as error:
            print_notice(f"{child.name} could not be started: {error}", child=child.name)
            if child.record_exit() and child.is_crash_looping and not self.waits_for_disk_space:
                raise OperationError(f"{child.name} cannot be started: Relais stops.") from error

    def _disk_is_full(self) -> bool:
        """While it is, no exit counts as crash looping. Prints a notice when that begins and when it ends."""
        full = is_full(self.folder)
        if full and not self.waits_for_disk_space:
            print_notice(
                f"The disk that holds {self.folder} is full: Relais waits until there is room again."
            )
        elif self.waits_for_disk_space and not full:
            print_notice(f"There is room again on the disk that holds {self.folder}.")
        self.waits_for_disk_space = full
        return full

    def _relay_logs(self) -> None:
        for child in self._children():
            if not child.rotates_own_log:
                copy_and_truncate(child.log)
        for name, tail in self.log_tails.items():
            for line in tail.new_lines():
                if self.relays_routine_lines or not is_routine(line):
                    relay_log_line(name, line)

    def _children(self) -> list[Child]:
        return [child for wave in self.waves for child in wave]

    # -- stopping -----------------------------------------------------------------------------------------

    def stop(self) -> bool:
        """True when all stopped in order; a second stop signal kills the rest."""
        try:
            while self.waves:
                self._stop_wave(self.waves[-1])
                self._relay_logs()
                self.waves.pop()
        except StopRequested:
            for child in reversed(self._children()):
                child.kill()
            return False
        return True

    def _stop_wave(self, wave: Sequence[Child]) -> None:
        started = time.monotonic()
        for child in wave:
            child.request_stop()
        while running := [child for child in wave if child.is_running]:
            for child in running:
                if time.monotonic() - started > child.stop_timeout:
                    print_notice(
                        f"{child.name} did not end within {child.stop_timeout:.0f} s and is ended by force.",
                        child=child.name,
                    )
                    child.kill()
            self.signals.wait(0.1)
        for child in wave:
            child.clean_up()


def up(environment: Environment) -> int:
    with SignalWaiter() as signals:
        try:
            with single_instance(environment.data_dir, signals) as lock:
                return _up(environment, signals, lock)
        except StopRequested:
            return 0  # While it waited for an earlier instance to end.


def _up(environment: Environment, signals: SignalWaiter, lock: int) -> int:
    listener = port.listen(environment.host, environment.port)
    supervisor = Supervisor(signals, environment.data_dir)
    try:
        start_everything(supervisor, environment, listener, lock)
    except StopRequested:
        print_notice("Relais s'arrête · Relais is stopping …", level="info")
        listener.close()  # Or the kernel goes on accepting connections that nobody answers.
        return 0 if supervisor.stop() else 1
    except BaseException:
        listener.close()
        supervisor.stop()
        raise
    finally:
        DataFolder(environment.data_dir).delete_emulator_url()


def start_everything(
    supervisor: Supervisor, environment: Environment, listener: socket.socket, lock: int
) -> NoReturn:
    logs = environment.data_dir / "log"
    variables = {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1", "RELAIS_SUPERVISOR": str(os.getpid())}

    def child(name: str, *arguments: str, pass_fds: Sequence[int] = ()) -> Child:
        return Child(
            name, [*RELAIS_COMMAND, *arguments], log=logs / f"{name}.log",
            stop_timeout=STOP_TIMEOUT_SECONDS[name], variables=variables, pass_fds=[lock, *pass_fds],
            rotates_own_log=name in ("web", "jobs"),
        )  # fmt: skip

    if environment.embedded_database:
        supervisor.start(Database(database.Cluster(environment.data_dir, sleep=supervisor.signals.wait)))
    if environment.demo:
        emulator_port = port.free_port()
        variables["RELAIS_EMULATOR_URL"] = f"http://127.0.0.1:{emulator_port}"
        DataFolder(environment.data_dir).write_emulator_url(variables["RELAIS_EMULATOR_URL"])
        supervisor.start(child("emulator", "emulator", "--port", str(emulator_port)))
    # They import their code while the tables are prepared, and go on at end-of-file of this pipe.
    gate, prepared = os.pipe()
    fd = listener.fileno()
    if sys.stdout.isatty():  # E-mails hold password links, which no log collector may get.
        supervisor.log_tails["mail"] = LogTail(logs / "mail.log")
    supervisor.start(
        child("web", "web", "--fd", str(fd), "--after", str(gate), pass_fds=[fd, gate]),
        child("jobs", "jobs", "--after", str(gate), pass_fds=[gate]),
    )
    supervisor.run_to_completion(child("prepare", "prepare"))
    os.close(prepared)
    address = listener.getsockname()[:2]
    supervisor.health = HealthWatchdog(lambda: HealthProbe(address))
    _wait_until_healthy(supervisor, listener, logs)
    supervisor.tick(SETTLE_SECONDS)  # So that the lines logged during the start come before the banner.
    print_line(banner(environment))
    if sys.stdout.isatty():  # The banner stays the last thing on the screen; a log collector gets every line.
        supervisor.relays_routine_lines = False
    while True:
        supervisor.tick(0.5)


def _wait_until_healthy(supervisor: Supervisor, listener: socket.socket, logs: Path) -> None:
    started, noticed = time.monotonic(), False
    while not is_healthy(listener):
        supervisor.tick(0.1)
        if not noticed and time.monotonic() - started > 30:
            print_notice(f"Relais is not healthy yet: see /api/health and the logs in {logs}.")
            noticed = True


@contextmanager
def single_instance(folder: Path, signals: SignalWaiter) -> Iterator[int]:
    """An flock that the children inherit: whoever gets it knows that no process of an earlier instance lives."""
    lock = os.open(folder / "relais.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        started = time.monotonic()
        while not _locked(lock):
            holder = os.pread(lock, 20, 0).decode() or "unknown"
            # A process that was just killed still exists for a moment, and its children for some seconds more.
            alive = holder.isdigit() and is_alive(int(holder))
            if time.monotonic() - started > (3 if alive else 20):
                raise OperationError(
                    f"Relais runs already on the data in {folder} (process {holder}): "
                    "stop that one, or choose another folder by RELAIS_DATA_DIR."
                )
            signals.wait(0.1)
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


def relay_log_line(name: str, line: str) -> None:
    """At a terminal in human form, for a log collector as it was written."""
    if sys.stdout.isatty():
        print_line(f"{name:8} | {to_human(line)}")
    else:
        print_line(line if line.startswith("{") else f"{name:8} | {line}")


def print_notice(sentence: str, *, level: str = "warning", **ids: object) -> None:
    """About the processes: at a terminal a sentence, for a log collector a line in the processes' format."""
    fields = {"at": iso_timestamp(time.time()), "level": level, "logger": __name__, "event": sentence, **ids}
    line = {**fields, "process": "up", "pid": os.getpid()}
    print_line(sentence if sys.stdout.isatty() else json.dumps(line, ensure_ascii=False))


def print_line(text: str) -> None:
    # A closed terminal must not keep the children from being stopped in order.
    with suppress(OSError):
        write_line(STDOUT_FD, f"{text}\n".encode(sys.stdout.encoding, errors="replace"))
