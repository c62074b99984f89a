"""A PostgreSQL without the extensions of the search: a sentence that says what to do, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from relais.search import extensions
from relais.search.extensions import MissingExtension, create_missing_extensions
from relais.search.tests.test_dump_restore import connect

pytestmark = pytest.mark.django_db(transaction=True)
DATABASE, ROLE = "relais_without_extensions", "relais_guest"


@pytest.fixture
def guest(transactional_db: None) -> Iterator[Any]:
    """A connection to an empty database, as a user who may create nothing in it."""
    with connect("postgres") as server:
        server.execute(f"create database {DATABASE} template template0")
        server.execute(f"create role {ROLE}")
    other: Any = connection.copy()  # type: ignore[attr-defined]
    other.settings_dict |= {
        "NAME": DATABASE,
        "OPTIONS": {},
    }  # No pool: its connections are those of the tests.
    with other.cursor() as cursor:
        cursor.execute(f"set role {ROLE}")
    yield other
    other.close()
    with connect("postgres") as server:
        server.execute(f"drop database {DATABASE} with (force)")
        server.execute(f"drop role {ROLE}")


def test_a_user_who_may_not_create_extensions_is_told_the_statements(guest):
    statements = "CREATE EXTENSION IF NOT EXISTS unaccent; CREATE EXTENSION IF NOT EXISTS pg_trgm; "
    with pytest.raises(MissingExtension, match=statements):
        create_missing_extensions(guest)


def test_extensions_that_an_administrator_created_are_enough(guest):
    with connect(DATABASE) as administrator:
        for name in extensions.EXTENSIONS:
            administrator.execute(f"create extension {name}")
    create_missing_extensions(guest)


def test_extensions_that_are_not_installed_are_named_with_their_package(guest, monkeypatch):
    monkeypatch.setattr(extensions, "EXTENSIONS", ("unaccent", "no_such_extension"))
    with pytest.raises(MissingExtension, match=r"no extension no_such_extension: .*postgresql-contrib"):
        create_missing_extensions(guest)
