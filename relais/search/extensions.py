"""The PostgreSQL extensions of the search. All are trusted: whoever may create in the database may create them."""

from __future__ import annotations

from typing import Any

from django.core.management import CommandError
from django.db import DatabaseError

EXTENSIONS = ("unaccent", "pg_trgm", "btree_gin")
SELECT_MISSING = """
select name, exists (select 1 from pg_available_extensions available where available.name = wanted.name)
  from unnest(%s::text[]) wanted (name)
 where not exists (select 1 from pg_extension where extname = wanted.name)
"""


class MissingExtension(CommandError):
    """What an administrator of the database must do. Commands print it and end with exit code 1."""


def create_missing_extensions(connection: Any) -> None:
    """Raises MissingExtension when PostgreSQL lacks the files of one, or its user may not create it."""
    with connection.cursor() as cursor:
        cursor.execute(SELECT_MISSING, [list(EXTENSIONS)])
        missing = dict(cursor.fetchall())
        unavailable = [name for name, is_available in missing.items() if not is_available]
        if unavailable:
            raise MissingExtension(
                f"PostgreSQL has no extension {', '.join(unavailable)}: install its additional modules "
                "(postgresql-contrib), then start again."
            )
        for name in missing:
            try:
                cursor.execute(f"create extension if not exists {name}")
            except DatabaseError as error:
                statements = " ".join(f"CREATE EXTENSION IF NOT EXISTS {each};" for each in missing)
                raise MissingExtension(
                    f"The user of DATABASE_URL may not create extensions. Let an administrator of the database run "
                    f"in it: {statements} Then start again."
                ) from error
