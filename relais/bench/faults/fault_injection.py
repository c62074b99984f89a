"""What happens to the desk meanwhile: processes die, the database restarts, Twilio falls silent, connections are cut,
the disk is full."""

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

from relais.bench.faults.readers import Readers
from relais.bench.faults.testbed import Stage
from relais.emulator.testing import wait_for

RULES: list[dict[str, object]] = [
    {"on": "inbound", "fault": "redelivery", "probability": 0.1, "copies": 3},
    {"on": "inbound", "fault": "latency", "probability": 0.05, "ms": 300},
    # Early on, whatever takes long to find out: a short run would only wait for it at its end.
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
ROUND = (
    "web", "jobs", "sockets", "silence", "database", "mid tick", "web", "jobs", "sockets", "long database", "mid tick",
)  # fmt: skip
TICK_WITHIN = 30.0
"""Seconds until a periodic job is deferred, also when the process of the jobs was just killed."""
WELL_WITHIN = 60.0
LOCK_PERIODIC = "lock procrastinate_periodic_defers in access exclusive mode"
WAITS_MID_TICK = """
select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%%periodic%%'
"""
CUT_CONNECTIONS = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where pid <> pg_backend_pid() and backend_type = 'client backend'
"""
MOST_DEATHS = 3
"""Of one process within a minute: at the fifth the supervisor gives up, as it should."""


class Blows:
    def __init__(
        self, stage: Stage, readers: Readers, *, seed: int, pause: tuple[float, float], rounds: int
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._stage = stage
        self._readers = readers
        self._chance = random.Random(f"{seed} blows")  # noqa: S311
        self._pause = pause
        self._rounds = rounds
        self._round = (*ROUND, "full disk") if stage.has_small_disk else ROUND
        self._deaths: dict[str, deque[float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="blows")
        self.errors: list[str] = []

    def start(self) -> None:
        self._stage.twilio.post("faults", RULES)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._stage.twilio.no_more_faults()

    @property
    def had_a_round(self) -> bool:
        return set(self.counts) >= set(self._round)

    def _run(self) -> None:
        for blow in self._coming():
            if self._over.wait(self._chance.uniform(*self._pause)):
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
                }[blow]()
            except Exception as error:
                self.errors.append(f"the blow “{blow}” failed: {error!r}")

    def _coming(self) -> Iterator[str]:
        # What takes longest to heal comes first: Twilio's log is read once a minute, and a tick is waited for.
        yield "long database"
        yield "mid tick"
        for _round in range(self._rounds):
            coming = list(self._round)
            self._chance.shuffle(coming)
            yield from coming

    # -- each blow ----------------------------------------------------------------------------------------

    def _kill(self, name: str) -> None:
        if self._may_die(name):
            pid = self._stage.desk.child(name)
            os.kill(pid, signal.SIGKILL)
            self.counts[name] += 1

    def _cut_sockets(self) -> None:
        self._readers.cut(self._chance)
        self.counts["sockets"] += 1

    def _silence(self) -> None:
        """Twilio takes connections and says nothing, for longer than a caller waits or shorter."""
        with _stopped(self._stage.twilio.process.pid):
            self._over.wait(self._chance.uniform(1, 4))
        self.counts["silence"] += 1

    def _stop_database(self) -> None:
        if self._may_die("database"):
            self._end_postgres(self._chance.choice((signal.SIGQUIT, signal.SIGKILL)))
            self.counts["database"] += 1

    def _keep_database_away(self) -> None:
        """Longer than Twilio tries, so that some messages are given up: only its log still has them."""
        if self._may_die("database"):
            with _stopped(self._stage.desk.process.pid):
                self._end_postgres(signal.SIGQUIT)
                self._over.wait(self._chance.uniform(4, 7))
            self.counts["long database"] += 1

    def _cut_mid_tick(self) -> None:
        """All connections break, or the database dies, while a periodic job is being deferred."""
        wait_for(self._stage.desk.is_well, WELL_WITHIN, "the desk to be over the last blow")
        # The connection that holds the lock may be the first to break.
        with suppress(psycopg.OperationalError, TimeoutError), self._stage.desk.connect() as locking:
            locking.execute(LOCK_PERIODIC)
            wait_for(self._is_mid_tick, TICK_WITHIN, "a periodic job to be deferred")
            if self._chance.random() < 0.5 and self._may_die("database"):
                self._end_postgres(signal.SIGKILL)
                self.counts["database"] += 1
            else:
                self._stage.desk.ask(CUT_CONNECTIONS)
            self.counts["mid tick"] += 1

    def _is_mid_tick(self) -> bool:
        return self._stage.desk.ask(WAITS_MID_TICK) != [(0,)]

    def _fill_disk(self) -> None:
        ballast = self._stage.desk.seen_folder / "ballast"
        until = time.monotonic() + self._chance.uniform(4, 8)
        try:
            with ballast.open("ab", buffering=0) as file:
                # Again and again: what the desk gives up meanwhile is room for it to go on with.
                while time.monotonic() < until:
                    with suppress(OSError):
                        while file.write(bytes(65_536)):
                            pass
                    self._over.wait(0.1)
        finally:
            ballast.unlink()
        self.counts["full disk"] += 1

    def _end_postgres(self, how: signal.Signals) -> None:
        file = self._stage.desk.seen_folder / "postgres" / "postmaster.pid"
        with suppress(OSError, ValueError):
            os.kill(int(file.read_text().split()[0]), how)

    def _may_die(self, name: str) -> bool:
        died, now = self._deaths.setdefault(name, deque()), time.monotonic()
        while died and now - died[0] > 60:
            died.popleft()
        if len(died) >= MOST_DEATHS:
            return False
        died.append(now)
        return True


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
