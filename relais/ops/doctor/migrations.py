"""Check of the migrations: all are applied, and none comes from a later version."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, failed, ok

READ_APPLIED = "select app, name from django_migrations"


def check_migrations(context: DoctorContext) -> Iterator[CheckResult]:
    known = _known_migrations()
    with context.database() as db:
        try:
            applied = {(app, name) for app, name in db.execute(READ_APPLIED)}
        except psycopg.errors.UndefinedTable:
            yield failed("The database has no tables yet.", "Start Relais by bin/up: it makes them.")
            return
    if pending := known - applied:
        yield failed(
            f"{_counted(pending)} not applied: {_first_names(pending)}.",
            "Start Relais again by bin/up: it applies them.",
        )
    if unknown := applied - known:
        yield failed(
            f"{_counted(unknown)} unknown here: {_first_names(unknown)}. A later version has used this database.",
            "Run the version that it had, or a later one.",
        )
    if applied == known:
        yield ok(f"All {len(known)} are applied, and no other.")


def _known_migrations() -> set[tuple[str, str]]:
    from django.db.migrations.loader import MigrationLoader

    return set(MigrationLoader(None).disk_migrations)


def _counted(migrations: set[tuple[str, str]]) -> str:
    return "1 migration is" if len(migrations) == 1 else f"{len(migrations)} migrations are"


def _first_names(migrations: set[tuple[str, str]]) -> str:
    first = [".".join(each) for each in sorted(migrations)[:3]]
    return ", ".join(first) + (" …" if len(migrations) > 3 else "")
