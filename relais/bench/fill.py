"""Generate a data folder with many conversations, to measure pages on and to open with `relais up`."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from relais.bench import bulk_copy, sample_texts, synthetic_data
from relais.bench.instance import environment_for, run_prepare
from relais.data_folder import DataFolder
from relais.environment import ROOT, data_dir_path
from relais.ops.database import running_database
from relais.ops.errors import OperationError

MARKER_FILE = "filled.json"
BATCH_CONVERSATIONS = 500
"""Conversations per COPY batch."""
POSTGRES_SETTINGS = {
    # Durability is not needed: after a crash the folder is generated again.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "maintenance_work_mem": "512MB",
    "work_mem": "128MB",
    "max_parallel_workers_per_gather": "2",
    "shared_buffers": "256MB",
}
INSERT_AGENT = """
insert into users (email, full_name, role, password, is_active, language, is_demo)
values (%s, %s, 'agent', '!', true, 'fr', false) returning id
"""
SELECT_FIRST_AGENT = "select id, full_name from users where email = 'agent1@relais.test'"
SELECT_COUNTS = """
select (select count(*) from conversations), (select count(*) from conversation_events),
       (select count(*) from clients), (select count(*) from message_deliveries),
       pg_database_size(current_database()) / 1000000
"""
SELECT_REVISION = "select id from flow_revisions order by id limit 1"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    folder = (
        Path(options.folder).absolute()
        if options.folder
        else folder_for(options.conversations, options.events)
    )
    return fill(folder, conversations=options.conversations, events=options.events)


def summary_lines(figures: dict[str, Any]) -> Iterator[str]:
    contents = (
        "{conversations:,} conversations of {clients:,} clients with {events:,} events, {megabytes:,} MB"
    )
    durations = "in {seconds} s: {copy_s} s to copy them, {keys_s} s for keys, indexes and statistics"
    yield contents.format_map(figures)
    yield durations.format_map(figures)
    yield f"To open it: RELAIS_DATA_DIR={figures['folder']} bin/up"


def folder_for(conversations: int, events: int) -> Path:
    """The folder of that size inside the data folder; `pages` looks there."""
    return data_dir_path(ROOT, os.environ) / "bench" / f"{conversations}-{events}"


def is_filled(folder: Path) -> bool:
    return (folder / MARKER_FILE).exists()


def fill(folder: Path, *, conversations: int, events: int) -> dict[str, Any]:
    """Generate the folder from scratch. Raises OperationError when it holds other files or there are too few events."""
    if events < synthetic_data.MIN_EVENTS * conversations:
        raise OperationError(
            f"A conversation has {synthetic_data.MIN_EVENTS} events at least: "
            "ask for more events, or fewer conversations."
        )
    _clear_folder(folder)
    print(
        f"Creating {conversations:,} conversations with {events:,} events in {folder} …",
        file=sys.stderr,
        flush=True,
    )
    started_at = time.monotonic()
    with running_database(folder, **POSTGRES_SETTINGS) as dsn:
        run_prepare(environment_for(folder))
        draw = random.Random(f"{conversations} {events}")  # noqa: S311
        now = int(time.time())
        rows = synthetic_data.Rows(_world(dsn), draw, events)
        with bulk_copy.without_indexes(dsn, synthetic_data.TABLES):
            plans = synthetic_data.plans(conversations, events, rows.world, now, draw)
            bulk_copy.copy(dsn, synthetic_data.TABLES, _batches(rows, plans))
            copied = time.monotonic()
        bulk_copy.reset_sequences_and_analyze(dsn, synthetic_data.TABLES)
        figures = {
            **_count_rows(dsn),
            "copy_s": round(copied - started_at),
            "keys_s": round(time.monotonic() - copied),
            "seconds": round(time.monotonic() - started_at, 1),
            "folder": str(folder),
        }
    (folder / MARKER_FILE).write_text(json.dumps(figures) + "\n")
    _unfinished_marker(folder).unlink()
    return figures


def _clear_folder(folder: Path) -> None:
    """Remove only what an earlier fill created, finished or not."""
    unfinished = _unfinished_marker(folder)
    if folder.exists() and not is_filled(folder) and not unfinished.exists() and any(folder.iterdir()):
        raise OperationError(f"The folder {folder} holds something else: choose another by --folder.")
    if _is_in_use(folder):
        raise OperationError(f"The database in {folder} is in use: stop the Relais that runs on it.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished.touch()
    shutil.rmtree(folder, ignore_errors=True)
    DataFolder(folder).create()
    DataFolder(folder).mark_demo()


def _is_in_use(folder: Path) -> bool:
    """The supervisor of a running database and the database itself hold this lock."""
    try:
        with (folder / "postgres.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _unfinished_marker(folder: Path) -> Path:
    """The marker file beside a folder that is not complete yet."""
    return folder.with_name(folder.name + ".filling")


def _world(dsn: str) -> synthetic_data.World:
    with psycopg.connect(dsn) as db:
        agents = [*db.execute(SELECT_FIRST_AGENT).fetchall()]
        for number, name in enumerate(sample_texts.AGENTS, 3):
            [id] = db.execute(INSERT_AGENT, [f"agent{number}@relais.test", name]).fetchall()[0]
            agents.append((id, name))
        teams = [
            db.execute("insert into teams (name) values (%s) returning id", [name]).fetchall()[0][0]
            for name in sample_texts.TEAMS
        ]
        [revision] = db.execute(SELECT_REVISION).fetchall()[0]
    return synthetic_data.World(agents, teams, revision)


def _batches(rows: synthetic_data.Rows, plans: list[synthetic_data.Plan]) -> Iterator[dict[str, str]]:
    for number, plan in enumerate(plans, 1):
        rows.add(plan)
        if number % BATCH_CONVERSATIONS == 0:
            yield rows.take()
    yield rows.take()


def _count_rows(dsn: str) -> dict[str, int]:
    """Row counts and database size, read from the tables."""
    with psycopg.connect(dsn) as db:
        counts = db.execute(SELECT_COUNTS).fetchall()[0]
    return dict(zip(("conversations", "events", "clients", "deliveries", "megabytes"), counts, strict=True))
