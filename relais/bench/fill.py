"""A data folder of its own with many conversations: to measure the pages on, and to look at with `relais up`."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from relais.bench import bulk_copy, sample_texts, synthetic_data
from relais.bench.desk import OURS
from relais.data_folder import DataFolder
from relais.environment import ROOT, data_folder_of
from relais.ops.database import running
from relais.ops.errors import OperationError

MARK = "filled.json"
SLICE = 500
"""Conversations written at once."""
SETTINGS = {
    # Nobody works on it yet: it is made anew when the machine fails meanwhile.
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
AGENT = """
insert into users (email, full_name, role, password, is_active, language, is_demo)
values (%s, %s, 'agent', '!', true, 'fr', false) returning id
"""
AGENT_ONE = "select id, full_name from users where email = 'agent1@relais.test'"
COUNTED = """
select (select count(*) from conversations), (select count(*) from conversation_events),
       (select count(*) from clients), (select count(*) from message_deliveries),
       pg_database_size(current_database()) / 1000000
"""
REVISION = "select id from flow_revisions order by id limit 1"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    folder = (
        Path(options.folder).absolute()
        if options.folder
        else folder_for(options.conversations, options.events)
    )
    return fill(folder, conversations=options.conversations, events=options.events)


def told(figures: dict[str, Any]) -> Iterator[str]:
    made = "{conversations:,} conversations of {clients:,} clients with {events:,} events, {megabytes:,} MB"
    took = "in {seconds} s: {copy_s} s to copy them, {keys_s} s for keys, indexes and statistics"
    yield made.format_map(figures)
    yield took.format_map(figures)
    yield f"To look at it: RELAIS_DATA_DIR={figures['folder']} bin/up"


def folder_for(conversations: int, events: int) -> Path:
    """Where `fill` keeps one of that size, in the data folder, and `pages` looks for it."""
    return data_folder_of(ROOT, os.environ) / "bench" / f"{conversations}-{events}"


def is_filled(folder: Path) -> bool:
    return (folder / MARK).exists()


def fill(folder: Path, *, conversations: int, events: int) -> dict[str, Any]:
    """Make the folder anew. Raises OperationError when it holds something else, or the numbers fit no history."""
    if events < synthetic_data.FEWEST * conversations:
        raise OperationError(
            f"A conversation has {synthetic_data.FEWEST} events at least: ask for more events, or fewer conversations."
        )
    _make_room(folder)
    print(
        f"Making {conversations:,} conversations with {events:,} events in {folder} …",
        file=sys.stderr,
        flush=True,
    )
    begun = time.monotonic()
    with running(folder, **SETTINGS) as dsn:
        _prepare(folder)
        draw = random.Random(f"{conversations} {events}")  # noqa: S311
        now = int(time.time())
        rows = synthetic_data.Rows(_world(dsn), draw)
        with bulk_copy.bare(dsn, synthetic_data.TABLES):
            plans = synthetic_data.plans(conversations, events, rows.world, now, draw)
            bulk_copy.copy(dsn, synthetic_data.TABLES, _slices(rows, plans))
            copied = time.monotonic()
        bulk_copy.settle(dsn, synthetic_data.TABLES)
        figures = {
            **_counted(dsn),
            "copy_s": round(copied - begun),
            "keys_s": round(time.monotonic() - copied),
            "seconds": round(time.monotonic() - begun, 1),
            "folder": str(folder),
        }
    (folder / MARK).write_text(json.dumps(figures) + "\n")
    _begun(folder).unlink()
    return figures


def _make_room(folder: Path) -> None:
    """Only what a fill made, whole or broken off, is ever removed."""
    begun = _begun(folder)
    if folder.exists() and not is_filled(folder) and not begun.exists() and any(folder.iterdir()):
        raise OperationError(f"The folder {folder} holds something else: choose another by --folder.")
    if _is_in_use(folder):
        raise OperationError(f"The database in {folder} is in use: stop the Relais that runs on it.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    begun.touch()
    shutil.rmtree(folder, ignore_errors=True)
    DataFolder(folder).create()
    DataFolder(folder).is_for_demo()


def _is_in_use(folder: Path) -> bool:
    """Whoever runs a database there holds this lock, and so does the database itself."""
    try:
        with (folder / "postgres.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _begun(folder: Path) -> Path:
    """Stands beside a folder that is not whole yet."""
    return folder.with_name(folder.name + ".filling")


def _prepare(folder: Path) -> None:
    """Tables and the people of the demo, by the program itself."""
    prepared = subprocess.run(
        [sys.executable, "-m", "relais", "prepare"],
        cwd=ROOT, env=environment_of(folder), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if prepared.returncode:
        raise OperationError(f"The tables could not be made: {prepared.stderr.strip()}")


def environment_of(folder: Path) -> dict[str, str]:
    """The variables of a demo in that folder, whatever is set here."""
    clean = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    return clean | {"RELAIS_DATA_DIR": str(folder), "RELAIS_ENV_FILE": os.devnull}


def _world(dsn: str) -> synthetic_data.World:
    with psycopg.connect(dsn) as db:
        agents = [*db.execute(AGENT_ONE).fetchall()]
        for number, name in enumerate(sample_texts.AGENTS, 3):
            [id] = db.execute(AGENT, [f"agent{number}@relais.test", name]).fetchall()[0]
            agents.append((id, name))
        teams = [
            db.execute("insert into teams (name) values (%s) returning id", [name]).fetchall()[0][0]
            for name in sample_texts.TEAMS
        ]
        [revision] = db.execute(REVISION).fetchall()[0]
    return synthetic_data.World(agents, teams, revision)


def _slices(rows: synthetic_data.Rows, plans: list[synthetic_data.Plan]) -> Iterator[dict[str, str]]:
    for number, plan in enumerate(plans, 1):
        rows.add(plan)
        if number % SLICE == 0:
            yield rows.take()
    yield rows.take()


def _counted(dsn: str) -> dict[str, int]:
    """What is there, by the tables themselves."""
    with psycopg.connect(dsn) as db:
        found = db.execute(COUNTED).fetchall()[0]
    return dict(zip(("conversations", "events", "clients", "deliveries", "megabytes"), found, strict=True))
