"""Bulk loading by COPY: indexes and constraints are dropped first and created again, which validates every row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import psycopg
from psycopg import sql

SELECT_CONSTRAINTS = """
select conrelid::regclass::text, conname, contype in ('p', 'u'), pg_get_constraintdef(oid)
  from pg_constraint
 where contype in ('p', 'u', 'f')
   and (conrelid = any(%(tables)s::regclass[]) or confrelid = any(%(tables)s::regclass[]))
 order by contype = 'f'
"""
SELECT_INDEXES = """
select indexrelid::regclass::text, pg_get_indexdef(indexrelid)
  from pg_index i where indrelid = any(%(tables)s::regclass[])
   and not exists (select 1 from pg_constraint where conindid = indexrelid)
"""
RESET_SEQUENCE = "select setval(pg_get_serial_sequence(%s, 'id'), greatest(1, (select max(id) from {})))"


@contextmanager
def without_indexes(dsn: str, tables: Iterable[str]) -> Iterator[None]:
    """Drop keys and indexes of the tables within the block; afterwards create the same ones again."""
    with psycopg.connect(dsn, autocommit=True) as db:
        keys = db.execute(SELECT_CONSTRAINTS, {"tables": list(tables)}).fetchall()
        indexes = db.execute(SELECT_INDEXES, {"tables": list(tables)}).fetchall()
        for table, name, _, _ in reversed(keys):
            db.execute(f"alter table {table} drop constraint {_quoted(name)}")
        for name, _ in indexes:
            db.execute(f"drop index {name}")
    yield
    with psycopg.connect(dsn, autocommit=True) as db:
        for table, name, is_unique, definition in keys:
            if is_unique:
                db.execute(f"alter table {table} add constraint {_quoted(name)} {definition}")
        for _, definition in indexes:
            db.execute(definition)
        for table, name, is_unique, definition in keys:
            if not is_unique:
                db.execute(f"alter table {table} add constraint {_quoted(name)} {definition}")


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)


def copy(dsn: str, tables: Mapping[str, str], slices: Iterable[Mapping[str, str]]) -> None:
    """Rows in COPY's text format, a connection for each table.

    The table is emptied in the same transaction: its rows then need no log, and are frozen as they come.
    """
    with ExitStack() as stack:
        copies = {}
        for table, names in tables.items():
            db = stack.enter_context(psycopg.connect(dsn))
            # Triggers must not fire for generated rows, and the keys are validated afterwards.
            db.execute("set session_replication_role = replica")
            db.execute(sql.SQL("truncate {}").format(sql.Identifier(table)))
            columns = map(sql.Identifier, names.split())
            copy = sql.SQL("copy {} ({}) from stdin with (freeze)").format(
                sql.Identifier(table), sql.SQL(", ").join(columns)
            )
            copies[table] = stack.enter_context(stack.enter_context(db.cursor()).copy(copy))
        for rows in slices:
            for table, text in rows.items():
                if text:
                    copies[table].write(text)


def reset_sequences_and_analyze(dsn: str, tables: Iterable[str]) -> None:
    """Set each sequence behind the highest id and collect planner statistics."""
    with psycopg.connect(dsn, autocommit=True) as db:
        for table in tables:
            db.execute(sql.SQL(RESET_SEQUENCE).format(sql.Identifier(table)), [table])
        db.execute("vacuum (analyze)")
