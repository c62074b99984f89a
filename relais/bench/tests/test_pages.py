"""A generated folder satisfies all invariants, and its pages answer over HTTP."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from relais.bench import fill, pages, search
from relais.bench.tests.invariants import INVARIANTS
from relais.ops.database import running_database
from relais.ops.errors import OperationError

CONVERSATIONS, EVENTS = 60, 1_500


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("bench") / "bench" / f"{CONVERSATIONS}-{EVENTS}"
    yield folder, fill.fill(folder, conversations=CONVERSATIONS, events=EVENTS)


def test_as_many_are_made_as_were_asked_for_and_every_invariant_holds(
    filled: tuple[Path, dict[str, Any]],
) -> None:
    folder, figures = filled
    assert (figures["conversations"], figures["events"]) == (CONVERSATIONS, EVENTS)
    with running_database(folder) as dsn, psycopg.connect(dsn) as db:
        broken = {name: db.execute(query).fetchall() for name, query in INVARIANTS.items()}
        assert not {name: rows for name, rows in broken.items() if rows}
        situations = db.execute(
            "select status, agent_id is null, count(*) from conversations where ended_at is null group by 1, 2"
        ).fetchall()
        assert sorted(situations) == [
            ("active", True, 10),
            ("transferred", False, 7),
            ("transferred", True, 5),
        ]
        [following] = db.execute("select nextval(pg_get_serial_sequence('conversations', 'id'))").fetchall()[
            0
        ]
        assert following == CONVERSATIONS + 1
        [missing] = db.execute(
            "select count(*) from pg_constraint where conrelid = 'conversation_events'::regclass and contype in ('p', 'u', 'f')"
        ).fetchall()[0]
        assert missing == 6, "a key was not made again"


def test_the_pages_are_measured_on_both_sizes(
    filled: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = filled
    monkeypatch.setenv("RELAIS_DATA_DIR", str(folder.parent.parent))
    monkeypatch.setattr(pages, "SMALL_SIZE", (CONVERSATIONS, EVENTS))
    options = argparse.Namespace(conversations=CONVERSATIONS, events=EVENTS, rounds=1)
    figures = pages.measure(options)
    for group in pages.GROUPS:
        for size in ("small", "large"):
            assert 0 < figures[f"{group}_p50_ms_{size}"] <= figures[f"{group}_p95_ms_{size}"]
            assert figures[f"{group}_cold_ms_{size}"] > 0
        assert figures[f"{group}_ratio"] > 0
    assert figures["pages"]["chat: a long one"]["rows_small"] > 20, "the chat was shown with its lists"
    assert "inbox: overview" in "\n".join(pages.summary_lines(figures))


def test_the_search_is_measured_for_both_readers(
    filled: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = filled
    monkeypatch.setenv("RELAIS_DATA_DIR", str(folder.parent.parent))
    monkeypatch.setattr(search, "QUERIES_OF_KIND", 2)
    monkeypatch.setattr(search, "INSERTED_MESSAGES", 20)
    options = argparse.Namespace(conversations=CONVERSATIONS, events=EVENTS, rounds=1)
    figures = search.measure(options)
    for reader in ("agent", "supervisor"):
        for kind in ("a file number", "a frequent word", "a phrase", "best first"):
            assert figures["queries"][f"{kind}, {reader}"]["hits"] > 0, kind
        assert figures["queries"][f"an unknown word, {reader}"]["hits"] == 0
    assert figures["insert_ms_with_index"] > 0 < figures["insert_ms_without_index"]
    assert "a phrase, agent" in "\n".join(search.summary_lines(figures))
    with running_database(folder) as dsn, psycopg.connect(dsn) as db:
        [(events,)] = db.execute("select count(*) from conversation_events").fetchall()
        assert events == EVENTS, "the inserted messages are removed"


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").touch()
    with pytest.raises(OperationError, match="holds something else"):
        fill.fill(tmp_path, conversations=10, events=100)
    assert (tmp_path / "letters").exists()


def test_a_folder_in_use_is_left_alone(filled: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = filled
    with running_database(folder), pytest.raises(OperationError, match="in use"):
        fill.fill(folder, conversations=CONVERSATIONS, events=EVENTS)
    assert fill.is_filled(folder)


def test_a_conversation_has_three_events_at_least(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="3 events at least"):
        fill.fill(tmp_path / "new", conversations=10, events=29)
    assert not (tmp_path / "new").exists()
