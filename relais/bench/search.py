"""Response times of the search on a generated database, for rare and frequent words, an agent and a supervisor.

The database lies in a data folder that `fill` generates when it is missing, under a `relais web` of its own. The words
are taken from the messages in it. At the end messages are inserted with and without the index, to see what it costs.
Besides the time until the answer, the CPU time of the web server and the database is measured: on a machine busy with
other work only that one says something about the search.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from relais.bench import sample_texts
from relais.bench.fill import fill, folder_for, is_filled
from relais.bench.instance import SignedInUser
from relais.bench.pages import PASSWORD, READER_EMAIL, START_TIMEOUT_SECONDS, running_site
from relais.ops.database import dsn, running_database

SUPERVISOR_EMAIL = "superviseur@relais.test"
QUERIES_OF_KIND = 40
"""Different queries of each kind, at most."""
INSERTED_MESSAGES = 3_000
SELECT_RANDOM_BODIES = """
select body from conversation_events
 where id = any(select (random() * %(top)s)::bigint + 1 from generate_series(1, 20000))
   and body like '%% dossier D%%'
"""
SELECT_SIZES = """
select pg_relation_size('conversation_events') / 1000000, pg_relation_size('conversation_events_words') / 1000000
"""
INSERT_MESSAGE = """
insert into conversation_events (conversation_id, seq, rev, event_type, author_kind, body)
select id, seq + %(n)s, rev + %(n)s, 'message_received', 'client', %(body)s from conversations where id = 1
"""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    folder = folder_for(options.conversations, options.events)
    if not is_filled(folder):
        fill(folder, conversations=options.conversations, events=options.events)
    draw = random.Random(options.events)  # noqa: S311
    figures: dict[str, Any] = {"conversations": options.conversations, "events": options.events}
    with running_site(folder) as url:
        figures["table_megabytes"], figures["index_megabytes"] = _sizes(folder)
        kinds = _queries(folder, options.events, draw)
        readers = {
            "agent": SignedInUser(_Desk(url), READER_EMAIL, PASSWORD),  # type: ignore[arg-type]
            "supervisor": SignedInUser(_Desk(url), SUPERVISOR_EMAIL, PASSWORD),  # type: ignore[arg-type]
        }
        cpu = _CpuMeter(folder)
        figures["queries"] = {
            f"{kind}, {name}": _measure_queries(url, reader, queries, options.rounds, cpu)
            for kind, queries in kinds.items()
            for name, reader in readers.items()
        }
    figures |= _measure_inserts(folder)
    return figures


def summary_lines(figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{figures['events']:,} events: table {figures['table_megabytes']:,} MB, "
        f"index {figures['index_megabytes']:,} MB; milliseconds"
    )
    for kind, numbers in figures["queries"].items():
        partial = f", {numbers['partial']} of {numbers['requests']} ended by the time limit" * bool(
            numbers["partial"]
        )
        yield (
            f"  {kind:32} p50 {numbers['p50_ms']:7} p95 {numbers['p95_ms']:7} max {numbers['max_ms']:7}   "
            f"CPU p50 {numbers['cpu_p50_ms']:4} p95 {numbers['cpu_p95_ms']:4}   "
            f"{numbers['hits']:5} hits on a page{partial}"
        )
    yield (
        f"an insert: mean {figures['insert_ms_with_index']} with the index, {figures['insert_ms_without_index']} "
        f"without; p99 {figures['insert_p99_ms_with_index']} and {figures['insert_p99_ms_without_index']}"
    )


class _Desk:
    def __init__(self, url: str) -> None:
        self.url = url


class _CpuMeter:
    """The CPU time of the web server and the database, in steps of the kernel's clock, mostly 10 ms."""

    def __init__(self, folder: Path) -> None:
        postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        self.roots = (psutil.Process(), psutil.Process(postmaster))

    def seconds(self) -> float:
        total = 0.0
        processes = {each for root in self.roots for each in root.children(recursive=True)}
        for process in processes | set(self.roots[1:]):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                # Those that have ended, such as parallel workers, are counted by their parent.
                total += times.user + times.system + times.children_user + times.children_system
        return total


def _sizes(folder: Path) -> tuple[int, int]:
    with psycopg.connect(dsn(folder)) as db:
        table, index = db.execute(SELECT_SIZES).fetchall()[0]
    return int(table), int(index)


def _queries(folder: Path, events: int, draw: random.Random) -> dict[str, list[str]]:
    with psycopg.connect(dsn(folder)) as db:
        bodies = [row[0] for row in db.execute(SELECT_RANDOM_BODIES, {"top": events}).fetchall()]
    numbers = sorted({body.rpartition(" ")[2] for body in bodies if body})
    draw.shuffle(numbers)
    words = sample_texts.VOCABULARY.split()
    pairs = [f"{a} {b} " for a, b in zip(words[3:], words[40:], strict=False)]
    frequent = [
        "bonjour ",
        "voiture ",
        "merci ",
        "garantie ",
        "avant ",
        "rendez-vous ",
        "vous ",
        "السيارة ",
        "est ",
    ]
    phrases = [
        '"voyant moteur"',
        '"prendre rendez-vous"',
        '"carte grise"',
        '"première main"',
        '"bonne route"',
    ]
    names = [
        f"{first} {last}"
        for first, last in zip(sample_texts.FIRST_NAMES, sample_texts.LAST_NAMES, strict=False)
    ]
    return {
        "a file number": [f"{number} " for number in numbers[:QUERIES_OF_KIND]],
        "an unknown word": [f"zzy{n}x " for n in range(QUERIES_OF_KIND)],
        "a middling word": [f"{word} " for word in words[-QUERIES_OF_KIND:]],
        "a frequent word": frequent,
        "two words": pairs[:QUERIES_OF_KIND],
        "the beginning of a word": [word[:5] for word in words[30 : 30 + QUERIES_OF_KIND]],
        "a phrase": phrases,
        "a name": names[:QUERIES_OF_KIND],
        "part of a number": [f"06{draw.randrange(10**6):06}" for _ in range(QUERIES_OF_KIND)],
        "best first": [f"{word} &order=best" for word in words[:QUERIES_OF_KIND]],
    }


def _measure_queries(
    url: str, reader: SignedInUser, queries: list[str], rounds: int, cpu: _CpuMeter
) -> dict[str, Any]:
    times, cpu_times, hits, partial = [], [], [], 0
    for _ in range(rounds):
        for query in queries:
            text, _, order = query.partition("&order=")
            cpu_before = cpu.seconds()
            begun = time.perf_counter()
            response = reader.http.get(
                f"{url}/dashboard/search",
                params={"q": text, "order": order},
                headers={"Accept": "application/json"},
                timeout=START_TIMEOUT_SECONDS,
            )
            times.append((time.perf_counter() - begun) * 1000)
            cpu_times.append((cpu.seconds() - cpu_before) * 1000)
            body = response.json()
            hits.append(len(body["results"]))
            partial += body["searched_back_to"] is not None
    times.sort()
    cpu_times.sort()
    return {
        "requests": len(times),
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(len(times) * 0.95)], 1),
        "max_ms": round(times[-1], 1),
        "cpu_p50_ms": round(statistics.median(cpu_times)),
        "cpu_p95_ms": round(cpu_times[int(len(cpu_times) * 0.95)]),
        "hits": round(statistics.mean(hits), 1),
        "partial": partial,
    }


def _measure_inserts(folder: Path) -> dict[str, float]:
    """In one transaction, rolled back at the end together with the dropped index: the folder stays as it is."""
    figures = {}
    with running_database(folder) as address, psycopg.connect(address) as db:
        for name in ("with", "without"):
            if name == "without":
                db.execute("drop index conversation_events_words")
            times = []
            for n in range(1, INSERTED_MESSAGES + 1):
                body = sample_texts.CLIENT[n % len(sample_texts.CLIENT)] + f" {n}"
                number = n if name == "with" else n + INSERTED_MESSAGES
                begun = time.perf_counter()
                db.execute(INSERT_MESSAGE, {"n": number, "body": body})
                times.append((time.perf_counter() - begun) * 1000)
            times.sort()
            figures[f"insert_ms_{name}_index"] = round(statistics.mean(times), 3)
            figures[f"insert_p99_ms_{name}_index"] = round(times[int(len(times) * 0.99)], 3)
        db.rollback()
    return figures
