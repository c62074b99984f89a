"""Ingest throughput: signed messages stored durably per second, with batching, without it, and by pgbench.

All three run in turn, several rounds, on one durable database; at the end every acknowledged message is verified.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg

from relais.bench.ingest_load_client import LoadJob
from relais.bench.instance import is_ready, run_prepare
from relais.emulator.testing import wait_for
from relais.environment import ROOT
from relais.ops import temporary_environment
from relais.ops.database import postgres_program, running_database
from relais.ops.port import free_port, listen

ROUNDS = 3
CLIENTS = 2000
WARM_UP_SECONDS = 2.0
"""Every client writes once in this time, so that creating clients is not measured."""
PGBENCH_CLIENTS = 8
BATCHED_SERVER = ("-m", "relais", "web", "--fd")
PLAIN_SERVER = ("-m", "relais", "web", "--unbatched", "--fd")
CREATE_PGBENCH_TABLES = """
create schema bench;
create table bench.conversations (like public.conversations including all);
create table bench.conversation_events (like public.conversation_events including all);
"""
COUNT_WRONG = """
select count(*) filter (where stored = 0), count(*) filter (where stored > 1)
  from (select count(e.id) as stored from acknowledged a left join conversation_events e on e.message_sid = a.sid
         group by a.sid) t
"""
COUNT_GAPS = """
select count(*) from conversations c
 where c.seq <> (select count(*) from conversation_events e where e.conversation_id = c.id)
"""


class StoredWrongly(Exception):
    """The acknowledged messages differ from the stored ones."""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Medians of the rounds, messages per second and milliseconds."""
    with _durable_installation() as (variables, dsn, folder):
        rounds: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for _ in range(ROUNDS):
            rounds["gathering"].append(_run_load(BATCHED_SERVER, variables, folder, options))
            rounds["plain"].append(_run_load(PLAIN_SERVER, variables, folder, options))
            rounds["pgbench"].append(_pgbench(dsn, folder, options.seconds))
        medians = {who: {name: _median(all, name) for name in all[0]} for who, all in rounds.items()}
        stored = _check_stored_once(dsn, folder)
    return {
        "rate": medians["gathering"]["rate"],
        "p99_ms": medians["gathering"]["p99_ms"],
        "plain_rate": medians["plain"]["rate"],
        "pgbench_rate": medians["pgbench"]["rate"],
        "ratio": round(medians["gathering"]["rate"] / medians["plain"]["rate"], 2),
        "pgbench_ratio": round(medians["gathering"]["rate"] / medians["pgbench"]["rate"], 2),
        "p50_ms": medians["gathering"]["p50_ms"],
        "plain_p99_ms": medians["plain"]["p99_ms"],
        "connections": options.connections,
        "seconds": options.seconds,
        "stored": stored,
        "rounds": rounds,
    }


def summary_lines(figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"signed messages, {figures['connections']} connections: {figures['rate']:,.0f} a second, "
        f"half within {figures['p50_ms']} ms, 99 % within {figures['p99_ms']} ms"
    )
    yield (
        f"without batching: {figures['plain_rate']:,.0f} a second, 99 % within {figures['plain_p99_ms']} ms; "
        f"batching stores {figures['ratio']} times as many"
    )
    yield (
        f"pgbench, {PGBENCH_CLIENTS} clients, one transaction a message: {figures['pgbench_rate']:,.0f} a second; "
        f"the webhook reaches {figures['pgbench_ratio']} of it"
    )
    yield f"each of {figures['stored']:,} acknowledged messages is stored exactly once"


@contextmanager
def _durable_installation() -> Iterator[tuple[dict[str, str], str, Path]]:
    """A temporary installation whose database runs with fsync, as in production."""
    with temporary_environment.temporary_installation(database=False) as variables:
        folder = Path(variables["RELAIS_DATA_DIR"])
        with running_database(folder / "cluster") as dsn:
            variables |= {"DATABASE_URL": dsn, "PUBLIC_BASE_URL": "https://desk.example.com"}
            run_prepare(variables)
            with psycopg.connect(dsn, autocommit=True) as database:
                database.execute(CREATE_PGBENCH_TABLES)
            yield variables, dsn, folder


def _run_load(
    server: tuple[str, ...], variables: dict[str, str], folder: Path, options: argparse.Namespace
) -> dict[str, Any]:
    with _running_web(server, variables, folder) as port:
        run = secrets.token_hex(4)
        load = LoadJob(
            port=port,
            path="/api/twilio/message",
            base_url=variables["PUBLIC_BASE_URL"],
            token=variables["TWILIO_AUTH_TOKEN"],
            account=variables["TWILIO_ACCOUNT_SID"],
            sender=variables["TWILIO_WHATSAPP_NUMBER"],
            run=run,
            clients=CLIENTS,
            connections=options.connections,
            warm_up=WARM_UP_SECONDS,
            seconds=options.seconds,
            acknowledged=str(folder / f"{run}.acknowledged"),
        )
        writer = subprocess.run(
            [sys.executable, "-m", "relais.bench.ingest_load_client"],
            cwd=ROOT,
            env=variables,
            input=json.dumps(asdict(load)),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    result: dict[str, Any] = json.loads(writer.stdout)
    return result


@contextmanager
def _running_web(server: tuple[str, ...], variables: dict[str, str], folder: Path) -> Iterator[int]:
    port = free_port()
    listener = listen("127.0.0.1", port)
    with listener, (folder / "web.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *server, str(listener.fileno())],
            cwd=ROOT,
            env=variables | {"RELAIS_PORT": str(port)},
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(
            lambda: is_ready(f"http://127.0.0.1:{port}") or process.poll() is not None,
            30,
            "the web server to be ready",
        )
        yield port
    finally:
        process.terminate()
        process.wait(15)


def _pgbench(dsn: str, folder: Path, seconds: int) -> dict[str, Any]:
    with psycopg.connect(dsn) as database:
        like = "select metadata::text from conversation_events where event_type = 'message_received' limit 1"
        row = database.execute(like).fetchone()
    assert row is not None
    output = subprocess.run(
        [
            *(postgres_program("pgbench"), dsn, "--no-vacuum", "--protocol=prepared"),
            *(f"--client={PGBENCH_CLIENTS}", "--jobs=2", f"--time={seconds}"),
            *(f"--define=clients={CLIENTS}", "--define=metadata=" + row[0]),
            f"--file={Path(__file__).with_suffix('.sql')}",
        ],
        env={"PATH": os.environ.get("PATH", "")},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rate = re.search(r"tps = ([0-9.]+)", output)
    assert rate is not None, output
    return {"rate": round(float(rate[1]), 1)}


def _check_stored_once(dsn: str, folder: Path) -> int:
    """Raises StoredWrongly unless each acknowledged message is stored once and no `seq` has a gap."""
    with psycopg.connect(dsn) as database:
        database.execute("create temporary table acknowledged (sid text not null)")
        with database.cursor().copy("copy acknowledged from stdin") as copy:
            for file in folder.glob("*.acknowledged"):
                copy.write(file.read_bytes())
        lost, doubled = database.execute(COUNT_WRONG).fetchone() or (1, 1)
        [holes] = database.execute(COUNT_GAPS).fetchone() or (1,)
        [count] = database.execute("select count(*) from acknowledged").fetchone() or (0,)
    if lost or doubled or holes:
        raise StoredWrongly(
            f"{lost} acknowledged messages are lost, {doubled} doubled; {holes} histories have holes."
        )
    return int(count)


def _median(rounds: list[dict[str, Any]], name: str) -> float:
    return round(float(statistics.median(one[name] for one in rounds)), 2)
