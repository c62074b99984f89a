"""CREATE INDEX CONCURRENTLY by a migration that may be interrupted and run again."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently


class AddIndexConcurrentlyRetryable(AddIndexConcurrently):
    """An interrupted run leaves an index of that name, complete or invalid: drop it first, then create it.

    Each index is committed by itself, but the migration counts as applied only at its end.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self.database_backwards(app_label, schema_editor, to_state, from_state)
        super().database_forwards(app_label, schema_editor, from_state, to_state)
