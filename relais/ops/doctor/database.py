"""Does the database answer, is it the right one, and does it keep what it says it kept."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.rows import dict_row

from relais.ops.doctor.context import Patient
from relais.ops.doctor.result import Finding, failed, ok, warning

OLDEST = 150_000
EXTENSIONS = ("pg_trgm", "unaccent")
SLOW = 0.05
"""Seconds for the shortest question; a page asks a dozen, a message half of that."""
FEW = 10
"""Connections left: web and jobs may each open a dozen more under load."""
FULL = ("too many clients", "remaining connection slots", "too many connections")
"""As the server words it; before it lets anybody in, the driver hands on no code."""
NOT_KEPT = {
    "fsync": "what it said it kept is lost when the machine stops",
    "full_page_writes": "its files may be torn when the machine stops",
    "synchronous_commit": "messages that were acknowledged may be lost when it stops",
}

FACTS = """
select current_setting('server_version_num')::int as number, current_setting('server_version') as version,
       current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit,
       pg_is_in_recovery() as standby,
       array(select extname::text from pg_extension) as extensions,
       current_setting('max_connections')::int
         - coalesce(current_setting('superuser_reserved_connections')::int, 0) as most,
       (select count(*)::int from pg_stat_activity where datname is not null) as used,
       pg_size_pretty(pg_database_size(current_database())) as size
"""


def look(patient: Patient) -> Iterator[Finding]:
    try:
        with patient.database() as db:
            seconds = _latency(db)
            facts = db.cursor(row_factory=dict_row).execute(FACTS).fetchone()
    except psycopg.Error as error:
        yield failed(f"The database cannot be used: {said_by(error)}.", _advice(patient, error))
        return
    assert facts is not None
    left = facts["most"] - facts["used"]
    yield ok(
        f"PostgreSQL {facts['version'].split()[0]} answers in {seconds * 1000:.2f} ms; {facts['size']}, "
        f"{left} of {facts['most']} connections left."
    )
    yield from _faults(facts, seconds, left)


def _faults(facts: dict[str, Any], seconds: float, left: int) -> Iterator[Finding]:
    if facts["number"] < OLDEST:
        yield failed(f"It is PostgreSQL {facts['version']}.", "Relais needs version 15 or later.")
    if facts["standby"]:
        yield failed("It is a standby that takes no writes.", "Let DATABASE_URL lead to the primary.")
    if seconds > SLOW:
        yield warning(
            f"The shortest question takes {seconds * 1000:.0f} ms.",
            "Let the database run on the same machine or network as Relais.",
        )
    if left < FEW:
        told = failed if left <= 0 else warning
        yield told(
            f"Only {max(left, 0)} of {facts['most']} connections are left.",
            "See who holds them (pg_stat_activity), or raise max_connections.",
        )
    for name in EXTENSIONS:
        if name not in facts["extensions"]:
            yield failed(
                f"The extension {name} is missing.", f"Run in this database: CREATE EXTENSION {name}; "
            )
    for name, so_what in NOT_KEPT.items():
        if facts[name] == "off":
            yield failed(f"{name} is off: {so_what}.", f"Set {name} to on.")


def _latency(db: psycopg.Connection[Any]) -> float:
    def asked() -> float:
        began = time.perf_counter()
        db.execute("select 1")
        return time.perf_counter() - began

    return statistics.median(asked() for _ in range(5))


def said_by(error: BaseException) -> str:
    """The first line alone, without its full stop."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).strip().rstrip(".")


def _advice(patient: Patient, error: BaseException) -> str:
    if any(words in str(error) for words in FULL):
        return "All its connections are taken: see who holds them, or raise max_connections."
    if patient.environment.embedded_database:
        if "authentication failed" in str(error):
            return "Look as the user whom Relais runs as: nobody else is let in."
        return f"Read {patient.log}/postgres.log, then start Relais again by bin/up."
    return "See DATABASE_URL, and whether that server runs and lets this machine in."
