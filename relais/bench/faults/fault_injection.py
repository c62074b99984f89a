"""The injected faults: processes are killed, the database restarts, Twilio stops answering, connections are cut, the
disk fills up."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from relais.bench.faults.socket_readers import SocketReaders
from relais.bench.faults.testbed import Testbed
from relais.emulator.testing import wait_for

RULES: list[dict[str, object]] = [
    {"on": "inbound", "fault": "redelivery", "probability": 0.1, "copies": 3},
    {"on": "inbound", "fault": "latency", "probability": 0.05, "ms": 300},
    # What takes long to detect comes early: a short run would otherwise wait for it at the end.
    {"on": "inbound", "fault": "never", "probability": 0.2, "times": 3},
    {"on": "inbound", "fault": "never", "probability": 0.001},
    {"on": "create", "fault": "429", "probability": 0.02, "retry_after": 1},
    {"on": "create", "fault": "5xx", "probability": 0.1, "times": 2},
    {"on": "create", "fault": "dropped", "probability": 0.1, "times": 1},
    {"on": "create", "fault": "5xx", "probability": 0.002},
    {"on": "create", "fault": "5xx_accepted", "probability": 0.01},
    {"on": "create", "fault": "no_answer", "probability": 0.01},
    {"on": "create", "fault": "no_answer", "probability": 0.002, "close": False},
    {"on": "create", "fault": "late_answer", "probability": 0.02, "ms": 1500},
    {"on": "create", "fault": "reject", "probability": 0.003, "code": 21211},
    {"on": "create", "fault": "error", "probability": 0.01, "code": 63012},
    {"on": "status", "fault": "shuffled", "probability": 0.2},
    {"on": "status", "fault": "twice", "probability": 0.1},
    {"on": "status", "fault": "never", "probability": 0.2, "times": 3},
    {"on": "status", "fault": "never", "probability": 0.001},
    {"on": "status", "fault": "late", "probability": 0.05, "ms": 2000},
    {"on": "list", "fault": "5xx", "probability": 0.1},
    {"on": "list", "fault": "429", "probability": 0.1},
]
FAULT_KINDS = (
    "web", "jobs", "sockets", "silence", "database", "mid tick", "web", "jobs", "sockets", "long database", "mid tick",
)  # fmt: skip
TICK_TIMEOUT_SECONDS = 30.0
"""Until a periodic job is deferred, also after the jobs process was killed."""
HEALTHY_TIMEOUT_SECONDS = 60.0
LOCK_PERIODIC_DEFERS = "lock procrastinate_periodic_defers in access exclusive mode"
WAITING_MID_TICK = """
select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%%periodic%%'
"""
CUT_CONNECTIONS = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where pid <> pg_backend_pid() and backend_type = 'client backend'
"""
MAX_KILLS_PER_MINUTE = 3
"""Of one process: at the fifth death the supervisor gives up, as designed."""


class FaultInjector:
    def __init__(
        self, testbed: Testbed, readers: SocketReaders, *, seed: int, pause: tuple[float, float], rounds: int
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._stage = testbed
        self._readers = readers
        self._random = random.Random(f"{seed} blows")  # noqa: S311
        self._pause = pause
        self._round_count = rounds
        self._fault_kinds = (*FAULT_KINDS, "full disk") if testbed.has_small_disk else FAULT_KINDS
        self._kills: dict[str, deque[float]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="blows")
        self.errors: list[str] = []

    def start(self) -> None:
        self._stage.twilio.post("faults", RULES)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._stage.twilio.clear_faults()

    @property
    def has_injected_every_kind(self) -> bool:
        return set(self.counts) >= set(self._fault_kinds)

    def _run(self) -> None:
        for fault in self._fault_sequence():
            if self._stopping.wait(self._random.uniform(*self._pause)):
                return
            try:
                {
                    "web": lambda: self._kill("web"),
                    "jobs": lambda: self._kill("jobs"),
                    "sockets": self._cut_sockets,
                    "silence": self._silence,
                    "database": self._stop_database,
                    "long database": self._keep_database_away,
                    "mid tick": self._cut_mid_tick,
                    "full disk": self._fill_disk,
                }[fault]()
            except Exception as error:
                self.errors.append(f"the fault “{fault}” could not be injected: {error!r}")

    def _fault_sequence(self) -> Iterator[str]:
        # What takes longest to repair comes first: Twilio's log is read once a minute, and a tick must be awaited.
        yield "long database"
        yield "mid tick"
        for _fault_kinds in range(self._round_count):
            sequence = list(self._fault_kinds)
            self._random.shuffle(sequence)
            yield from sequence

    # -- each fault ---------------------------------------------------------------------------------------

    def _kill(self, name: str) -> None:
        if self._may_kill(name):
            pid = self._stage.desk.child_pid(name)
            os.kill(pid, signal.SIGKILL)
            self.counts[name] += 1

    def _cut_sockets(self) -> None:
        self._readers.cut(self._random)
        self.counts["sockets"] += 1

    def _silence(self) -> None:
        """Twilio accepts connections and does not answer, for longer or shorter than the caller's time-out."""
        with _stopped(self._stage.twilio.process.pid):
            self._stopping.wait(self._random.uniform(1, 4))
        self.counts["silence"] += 1

    def _stop_database(self) -> None:
        if self._may_kill("database"):
            self._end_postgres(self._random.choice((signal.SIGQUIT, signal.SIGKILL)))
            self.counts["database"] += 1

    def _keep_database_away(self) -> None:
        """Longer than Twilio retries, so that some messages are dropped: only its log still has them."""
        if self._may_kill("database"):
            with _stopped(self._stage.desk.process.pid):
                self._end_postgres(signal.SIGQUIT)
                self._stopping.wait(self._random.uniform(4, 7))
            self.counts["long database"] += 1

    def _cut_mid_tick(self) -> None:
        """Break all connections, or kill the database, while a periodic job is being deferred."""
        wait_for(self._stage.desk.is_healthy, HEALTHY_TIMEOUT_SECONDS, "recovery from the previous fault")
        # The connection that holds the lock may be the first to break.
        with suppress(psycopg.OperationalError, TimeoutError), self._stage.desk.connect() as locking:
            locking.execute(LOCK_PERIODIC_DEFERS)
            wait_for(self._is_mid_tick, TICK_TIMEOUT_SECONDS, "a periodic job to be deferred")
            if self._random.random() < 0.5 and self._may_kill("database"):
                self._end_postgres(signal.SIGKILL)
                self.counts["database"] += 1
            else:
                self._stage.desk.query(CUT_CONNECTIONS)
            self.counts["mid tick"] += 1

    def _is_mid_tick(self) -> bool:
        return self._stage.desk.query(WAITING_MID_TICK) != [(0,)]

    def _fill_disk(self) -> None:
        ballast = self._stage.desk.visible_folder / "ballast"
        until = time.monotonic() + self._random.uniform(4, 8)
        try:
            with ballast.open("ab", buffering=0) as file:
                # Repeatedly: space that the desk frees meanwhile would let it continue.
                while time.monotonic() < until:
                    with suppress(OSError):
                        while file.write(bytes(65_536)):
                            pass
                    self._stopping.wait(0.1)
        finally:
            ballast.unlink()
        self.counts["full disk"] += 1

    def _end_postgres(self, how: signal.Signals) -> None:
        file = self._stage.desk.visible_folder / "postgres" / "postmaster.pid"
        with suppress(OSError, ValueError):
            os.kill(int(file.read_text().split()[0]), how)

    def _may_kill(self, name: str) -> bool:
        kills, now = self._kills.setdefault(name, deque()), time.monotonic()
        while kills and now - kills[0] > 60:
            kills.popleft()
        if len(kills) >= MAX_KILLS_PER_MINUTE:
            return False
        kills.append(now)
        return True


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
