"""An index made beside the running work, by a migration that may be interrupted and started again."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently


class AddIndexAnew(AddIndexConcurrently):
    """Whoever is stopped in the middle leaves an index of that name, whole or not valid: it is dropped first.

    Each is committed by itself, but the migration counts as applied only at its end.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self.database_backwards(app_label, schema_editor, to_state, from_state)
        super().database_forwards(app_label, schema_editor, from_state, to_state)
