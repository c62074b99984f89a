"""Each process leaves what it counted in the database: whoever is asked how things are knows of all of them.

Files shared by mapping, the library's own way, would end a process that counts while the disk is full.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError, connection
from prometheus_client import REGISTRY, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from relais.db_connection import release_connection
from relais.process_identity import process_identity

log = logging.getLogger(__name__)
EVERY = 5.0
EACH_MINUTE, EACH_HALF_HOUR = 12, 360
FRESH = 20
"""Seconds after which a snapshot tells of a process that is gone."""
REMEMBERED = "2 days"
TALLIED = (
    "relais_hooks",
    "relais_signatures_refused",
    "relais_sends",
    "relais_flow_steps",
    "relais_sockets_closed",
)

disable_created_metrics()  # type: ignore[no-untyped-call]

LEAVE = """
insert into watch_snapshots (process, kind, text, at) values (%s, %s, %s, now())
on conflict (process) do update set text = excluded.text, at = excluded.at
"""
ADD = """
insert into watch_tallies (minute, name, count, last_at) values (date_trunc('minute', now()), %s, %s, now())
on conflict (name, minute) do update set count = watch_tallies.count + excluded.count, last_at = excluded.last_at
"""
FORGET = f"""
delete from watch_snapshots where at < now() - interval '1 hour';
delete from watch_tallies where minute < now() - interval '{REMEMBERED}'
"""  # noqa: S608


class Pools(Collector):
    """The database's connections that this process keeps ready."""

    def __init__(self) -> None:
        self.stats: dict[str, Callable[[], Mapping[str, int]]] = {}

    def describe(self) -> list[Metric]:
        """Else the registry would collect at once, and open a pool before anybody wants one."""
        return []

    def collect(self) -> Iterator[Metric]:
        told = GaugeMetricFamily(
            "relais_pool_connections",
            "Kept ready, free, and how many wait for one.",
            labels=["pool", "state"],
        )
        for name, stats in self.stats.items():
            now = stats()
            for state, key in (
                ("open", "pool_size"),
                ("free", "pool_available"),
                ("wanted", "requests_waiting"),
            ):
                told.add_metric([name, state], now.get(key, 0))
        yield told


pools = Pools()
pools.stats["django"] = lambda: connection.pool.get_stats()  # type: ignore[attr-defined]
REGISTRY.register(pools)


class Place(NamedTuple):
    kind: str
    process: str


class Keeper:
    """What this process has counted, and how much of it is in the tallies already."""

    def __init__(self) -> None:
        self.tallied: dict[str, float] = {}
        self.closed: dict[str, float] = {}
        self._lock = threading.Lock()

    def add_up(self) -> None:
        """Bring the tallies up to date with what this process counted."""
        with self._lock:
            now = dict(counted())
            news = {name: count - self.tallied.get(name, 0) for name, count in now.items()}
            with connection.cursor() as cursor:
                for name in sorted(name for name, more in news.items() if more > 0):
                    cursor.execute(ADD, [name, int(news[name])])
                    self.tallied[name] = now[name]

    def tell_closed(self) -> None:
        """Why sockets were closed since the last time: one line a code, however many there were."""
        for name, count in counted():
            if name.startswith("sockets_closed ") and count > (before := self.closed.get(name, 0)):
                code = int(name.rpartition(" ")[2])
                log.info("sockets closed", extra={"code": code, "count": int(count - before)})
                self.closed[name] = count

    def leave(self, place: Place) -> None:
        with connection.cursor() as cursor:
            cursor.execute(LEAVE, [place.process, place.kind, generate_latest(REGISTRY).decode()])

    def forget(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(FORGET)


keeper = Keeper()


def counted() -> Iterator[tuple[str, float]]:
    """Everything that is tallied, by a name such as `hooks /api/twilio/message 200`."""
    for family in REGISTRY.collect():
        if family.name in TALLIED:
            for sample in family.samples:
                yield " ".join([family.name.removeprefix("relais_"), *sample.labels.values()]), sample.value


@contextmanager
def keeping(kind: str) -> Iterator[None]:
    """While this block lasts, what this process counts is left where all can read it."""
    over = threading.Event()
    place = Place(kind, process_identity())
    thread = threading.Thread(target=_keep, args=[place, over], name="keeping", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(1.0)


def _keep(place: Place, over: threading.Event) -> None:
    rounds = 0
    while not over.wait(EVERY):
        try:
            keeper.add_up()
            keeper.leave(place)
            if rounds % EACH_MINUTE == 0:
                keeper.tell_closed()
            if rounds % EACH_HALF_HOUR == 0:
                keeper.forget()
            rounds += 1
        except (DatabaseError, InterfaceError):
            pass  # Whoever asks meanwhile is told that the database is away; the next round leaves it all.
        except Exception:
            log.exception("counters were not left")
        finally:
            release_connection()
