"""Check of the database: it answers, has the right version and extensions, and is durable."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.rows import dict_row

from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, failed, ok, warning

MIN_VERSION_NUMBER = 150_000
REQUIRED_EXTENSIONS = ("pg_trgm", "unaccent")
SLOW_QUERY_SECONDS = 0.05
"""For `select 1`. A page runs a dozen queries, a message half of that."""
MIN_FREE_CONNECTIONS = 10
"""Web and jobs may each open a dozen more under load."""
TOO_MANY_CONNECTIONS_MESSAGES = ("too many clients", "remaining connection slots", "too many connections")
"""The server's messages: before authentication the driver passes on no error code."""
DURABILITY_SETTINGS = {
    "fsync": "committed data may be lost when the machine stops",
    "full_page_writes": "its files may be torn when the machine stops",
    "synchronous_commit": "messages that were acknowledged may be lost when it stops",
}

READ_FACTS = """
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


def check_database(context: DoctorContext) -> Iterator[CheckResult]:
    try:
        with context.database() as db:
            seconds = _latency(db)
            facts = db.cursor(row_factory=dict_row).execute(READ_FACTS).fetchone()
    except psycopg.Error as error:
        yield failed(f"The database cannot be used: {first_line(error)}.", _advice(context, error))
        return
    assert facts is not None
    left = facts["most"] - facts["used"]
    yield ok(
        f"PostgreSQL {facts['version'].split()[0]} answers in {seconds * 1000:.2f} ms; {facts['size']}, "
        f"{left} of {facts['most']} connections left."
    )
    yield from _check_facts(facts, seconds, left)


def _check_facts(facts: dict[str, Any], seconds: float, left: int) -> Iterator[CheckResult]:
    if facts["number"] < MIN_VERSION_NUMBER:
        yield failed(f"It is PostgreSQL {facts['version']}.", "Relais needs version 15 or later.")
    if facts["standby"]:
        yield failed("It is a standby that takes no writes.", "Let DATABASE_URL lead to the primary.")
    if seconds > SLOW_QUERY_SECONDS:
        yield warning(
            f"The shortest query takes {seconds * 1000:.0f} ms.",
            "Let the database run on the same machine or network as Relais.",
        )
    if left < MIN_FREE_CONNECTIONS:
        report = failed if left <= 0 else warning
        yield report(
            f"Only {max(left, 0)} of {facts['most']} connections are left.",
            "See who holds them (pg_stat_activity), or raise max_connections.",
        )
    for name in REQUIRED_EXTENSIONS:
        if name not in facts["extensions"]:
            yield failed(
                f"The extension {name} is missing.", f"Run in this database: CREATE EXTENSION {name}; "
            )
    for name, consequence in DURABILITY_SETTINGS.items():
        if facts[name] == "off":
            yield failed(f"{name} is off: {consequence}.", f"Set {name} to on.")


def _latency(db: psycopg.Connection[Any]) -> float:
    def measure() -> float:
        started = time.perf_counter()
        db.execute("select 1")
        return time.perf_counter() - started

    return statistics.median(measure() for _ in range(5))


def first_line(error: BaseException) -> str:
    """The first line of the message, without its full stop."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).strip().rstrip(".")


def _advice(context: DoctorContext, error: BaseException) -> str:
    if any(words in str(error) for words in TOO_MANY_CONNECTIONS_MESSAGES):
        return "All its connections are taken: see who holds them, or raise max_connections."
    if context.environment.embedded_database:
        if "authentication failed" in str(error):
            return "Check as the user whom Relais runs as: no other user is admitted."
        return f"Read {context.log}/postgres.log, then start Relais again by bin/up."
    return "See DATABASE_URL, and whether that server runs and lets this machine in."
