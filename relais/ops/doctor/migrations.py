"""Are the tables those of this version: no migration to come, none from a later version."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from relais.ops.doctor.context import Patient
from relais.ops.doctor.result import Finding, failed, ok

APPLIED = "select app, name from django_migrations"


def look(patient: Patient) -> Iterator[Finding]:
    ours = _of_this_version()
    with patient.database() as db:
        try:
            applied = {(app, name) for app, name in db.execute(APPLIED)}
        except psycopg.errors.UndefinedTable:
            yield failed("The database has no tables yet.", "Start Relais by bin/up: it makes them.")
            return
    if pending := ours - applied:
        yield failed(
            f"{_counted(pending)} not applied: {_some(pending)}.",
            "Start Relais again by bin/up: it applies them.",
        )
    if unknown := applied - ours:
        yield failed(
            f"{_counted(unknown)} unknown here: {_some(unknown)}. A later Relais has been at work on this database.",
            "Run the version that it had, or a later one.",
        )
    if applied == ours:
        yield ok(f"All {len(ours)} are applied, and no other.")


def _of_this_version() -> set[tuple[str, str]]:
    from django.db.migrations.loader import MigrationLoader

    return set(MigrationLoader(None).disk_migrations)


def _counted(migrations: set[tuple[str, str]]) -> str:
    return "1 migration is" if len(migrations) == 1 else f"{len(migrations)} migrations are"


def _some(migrations: set[tuple[str, str]]) -> str:
    first = [".".join(each) for each in sorted(migrations)[:3]]
    return ", ".join(first) + (" …" if len(migrations) > 3 else "")
