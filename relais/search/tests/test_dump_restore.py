"""A dump restores into an empty database with the functions and indexes of the search, and finds the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from relais.clients.models import Client
from relais.crm.editing import change_tags
from relais.ops.database import postgres_program

pytestmark = pytest.mark.django_db(transaction=True)
RESTORED = "relais_restored"
# Of conditions with lists of texts, a restored definition has other casts: definitions of the search's indexes only.
SELECT_INDEXES = """
select indexname, case when indexdef like '%USING gin%' then indexdef end from pg_indexes
 where schemaname = 'public' order by 1
"""
SELECT_FUNCTIONS = """
select proname, prosrc from pg_proc where pronamespace = 'public'::regnamespace and proname like 'relais%' order by 1
"""
FIND_MESSAGE = """
select body from conversation_events where body <> '' and public.relais_words(body) @@ to_tsquery('public.relais', 'repar:*')
"""
FIND_CLIENT = """
select client_full_name from clients
 where public.relais_tag_keys(tags) @> array['flotte'] and relais_plain(client_full_name) like '%elodi%'
"""


def connect(name: str) -> Any:
    settings = {
        key: value
        for key, value in connection.get_connection_params().items()
        if key in ("host", "port", "user", "password")
    }
    return psycopg.connect(dbname=name, autocommit=True, **settings)


@pytest.fixture
def restored(transactional_db: None, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """A function that dumps the database of the tests, restores it into an empty one, and connects to that."""
    original = connection.settings_dict["NAME"]

    def run(tool: str, *arguments: str) -> None:
        parameters = connection.get_connection_params()
        where = ["-h", str(parameters["host"]), "-U", str(parameters["user"])]
        where += ["-p", str(parameters["port"])] if parameters.get("port") else []
        subprocess.run(
            [postgres_program(tool), *where, *arguments], check=True, capture_output=True, text=True
        )

    def dump_and_restore() -> Any:
        file = str(tmp_path / "relais.dump")
        run("pg_dump", "-Fc", "-f", file, original)
        with connect("postgres") as server:
            server.execute(f"create database {RESTORED} template template0")
        run("pg_restore", "--exit-on-error", "--no-owner", "-d", RESTORED, file)
        return connect(RESTORED)

    yield dump_and_restore
    with connect("postgres") as server:
        server.execute(f"drop database if exists {RESTORED} with (force)")


def test_a_dump_restores_with_the_functions_and_indexes_of_the_search(restored, fatou_writes, awa, clock):
    conversation = fatou_writes("Les Réparations du moteur")
    Client.objects.filter(pk=conversation.client_id).update(client_full_name="Élodie")
    change_tags(conversation.client, add=["Flotte"], by=awa, at=clock.now)
    with connect(connection.settings_dict["NAME"]) as database:
        expected = [database.execute(sql).fetchall() for sql in (SELECT_INDEXES, SELECT_FUNCTIONS)]
    with restored() as database:
        assert [database.execute(sql).fetchall() for sql in (SELECT_INDEXES, SELECT_FUNCTIONS)] == expected
        assert {name for name, _definition in expected[0]} >= {
            "conversation_events_words",
            "media_filename_words",
            "notes_words",
            "clients_name_words",
            "clients_tag_keys",
        }
        database.execute("set enable_seqscan = off")
        assert database.execute(FIND_MESSAGE).fetchall() == [("Les Réparations du moteur",)]
        plan = "\n".join(row[0] for row in database.execute("explain " + FIND_MESSAGE))
        assert "conversation_events_words" in plan
        assert database.execute(FIND_CLIENT).fetchall() == [("Élodie",)]
