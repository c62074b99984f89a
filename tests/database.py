"""Emptying the database after each test that commits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

# Filled by migrations and by Django after them; no test changes them.
KEPT_TABLES = {"django_content_type", "auth_permission"}
# Not among Django's tables: their models are not managed.
JOB_TABLES = {
    "procrastinate_jobs",
    "procrastinate_events",
    "procrastinate_periodic_defers",
    "procrastinate_workers",
}


@pytest.fixture(scope="session", autouse=True)
def only_touched_tables_are_emptied() -> Iterator[None]:
    """Django's `flush` truncates every table and creates all permissions again, which takes longer than most tests."""
    from django.test import TransactionTestCase

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda test_case: empty_touched_tables())
        yield


def empty_touched_tables() -> None:
    from django.db import connection, transaction

    tables = _tables()
    with transaction.atomic(), connection.cursor() as cursor:
        # Waits, as truncating all of them would, until no other connection is about to write into one.
        cursor.execute(f"lock table {', '.join(tables)} in access exclusive mode")
        cursor.execute(
            " union all ".join(f"select '{name}' where exists (select from {name})" for name in tables)
        )
        touched = [name for (name,) in cursor.fetchall()]
        if touched:
            cursor.execute(f"truncate {', '.join(touched)} cascade")


@cache
def _tables() -> list[Any]:
    from django.db import connection

    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return sorted(set(names) - KEPT_TABLES | JOB_TABLES)
