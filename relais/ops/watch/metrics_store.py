"""Storage of metrics: each process writes its counters to the database, so that any process can show those of all.

The multiprocess mode of prometheus_client is not used: its memory-mapped files would end a process that counts while
the disk is full.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, connection
from prometheus_client import REGISTRY, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from relais.db_connection import release_connection
from relais.process_identity import process_identity

log = logging.getLogger(__name__)
STORE_INTERVAL_SECONDS = 5.0
ROUNDS_PER_MINUTE, ROUNDS_PER_HALF_HOUR = 12, 360
SNAPSHOT_STALE_AFTER_SECONDS = 20
"""An older snapshot is of a process that has ended."""
TALLY_RETENTION = "2 days"
JOIN_TIMEOUT_SECONDS = 1.0
TALLIED_COUNTERS = (
    "relais_hooks",
    "relais_signatures_refused",
    "relais_sends",
    "relais_flow_steps",
    "relais_sockets_closed",
)

disable_created_metrics()  # type: ignore[no-untyped-call]

UPSERT_SNAPSHOT = """
insert into watch_snapshots (process, kind, text, at) values (%s, %s, %s, now())
on conflict (process) do update set text = excluded.text, at = excluded.at
"""
ADD_TO_TALLY = """
insert into watch_tallies (minute, name, count, last_at) values (date_trunc('minute', now()), %s, %s, now())
on conflict (name, minute) do update set count = watch_tallies.count + excluded.count, last_at = excluded.last_at
"""
DELETE_EXPIRED = f"""
delete from watch_snapshots where at < now() - interval '1 hour';
delete from watch_tallies where minute < now() - interval '{TALLY_RETENTION}'
"""  # noqa: S608


class PoolCollector(Collector):
    """The connection pools of this process."""

    def __init__(self) -> None:
        self.stats: dict[str, Callable[[], Mapping[str, int]]] = {}

    def describe(self) -> list[Metric]:
        """Without it the registry collects at registration, which would open a pool before it is used."""
        return []

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "relais_pool_connections",
            "Connections of a pool: open, free, and requests that wait for one.",
            labels=["pool", "state"],
        )
        for name, read_stats in self.stats.items():
            stats = read_stats()
            for state, key in (
                ("open", "pool_size"),
                ("free", "pool_available"),
                ("wanted", "requests_waiting"),
            ):
                family.add_metric([name, state], stats.get(key, 0))
        yield family


pool_collector = PoolCollector()
pool_collector.stats["django"] = lambda: connection.pool.get_stats()  # type: ignore[attr-defined]
REGISTRY.register(pool_collector)


class MetricsStore:
    """The counters of this process: what of them is in the tallies already, and what is logged."""

    def __init__(self) -> None:
        self.tallied: dict[str, float] = {}
        self.logged: dict[str, float] = {}
        self._lock = threading.Lock()

    def update_tallies(self) -> None:
        """Add to the tallies what this process has counted since the last call."""
        with self._lock:
            counts = dict(tallied_counters())
            increments = {name: count - self.tallied.get(name, 0) for name, count in counts.items()}
            with connection.cursor() as cursor:
                for name in sorted(name for name, increment in increments.items() if increment > 0):
                    cursor.execute(ADD_TO_TALLY, [name, int(increments[name])])
                    self.tallied[name] = counts[name]

    def log_closed_sockets(self) -> None:
        """One line for each close code with the number of sockets closed since the last call."""
        for name, count in tallied_counters():
            if name.startswith("sockets_closed ") and count > (previous := self.logged.get(name, 0)):
                code = int(name.rpartition(" ")[2])
                log.info("sockets closed", extra={"code": code, "count": int(count - previous)})
                self.logged[name] = count

    def store_snapshot(self, kind: str, process: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(UPSERT_SNAPSHOT, [process, kind, generate_latest(REGISTRY).decode()])

    def delete_expired(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(DELETE_EXPIRED)


metrics_store = MetricsStore()


def tallied_counters() -> Iterator[tuple[str, float]]:
    """The value of each counter that is tallied, by a name such as `hooks /api/twilio/message 200`."""
    for family in REGISTRY.collect():
        if family.name in TALLIED_COUNTERS:
            for sample in family.samples:
                yield " ".join([family.name.removeprefix("relais_"), *sample.labels.values()]), sample.value


@contextmanager
def storing_metrics(kind: str) -> Iterator[None]:
    """Store the metrics of this process every few seconds while the block runs."""
    stop = threading.Event()
    arguments = [kind, process_identity(), stop]
    thread = threading.Thread(target=_store_until, args=arguments, name="metrics-store", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(JOIN_TIMEOUT_SECONDS)


def _store_until(kind: str, process: str, stop: threading.Event) -> None:
    rounds = 0
    while not stop.wait(STORE_INTERVAL_SECONDS):
        try:
            metrics_store.update_tallies()
            metrics_store.store_snapshot(kind, process)
            if rounds % ROUNDS_PER_MINUTE == 0:
                metrics_store.log_closed_sockets()
            if rounds % ROUNDS_PER_HALF_HOUR == 0:
                metrics_store.delete_expired()
            rounds += 1
        except (DatabaseError, InterfaceError):
            pass  # The metrics and the status page report the database as down; the next round stores everything.
        except Exception:
            log.exception("metrics could not be stored")
        finally:
            release_connection()
