"""Imports of clients from a file: each is a row, with a row for each line of the file until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from relais.clients.models import Client

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta

else:
    TypedModelMeta = object


class ImportState(models.TextChoices):
    DRAFT = "draft"
    """Uploaded: its columns are being assigned, and nothing of it is stored."""
    RUNNING = "running"
    DONE = "done"


class RowOutcome(models.TextChoices):
    PENDING = ""
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class ClientImport(models.Model):
    file_name = models.TextField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="client_imports"
    )
    author_name = models.TextField()
    created_at = models.DateTimeField()
    state = models.TextField(choices=ImportState.choices, default=ImportState.DRAFT)
    titles = models.JSONField()
    """The titles of the columns, as in the file."""
    targets = models.JSONField()
    """What each column becomes: see `import_columns.py`. Empty: the column is ignored."""
    region = models.TextField()
    """The country of numbers without a country code, as `MA`."""
    replaces_filled = models.BooleanField(default=False)
    """Whether a value of the file replaces another one that the client has already."""
    row_count = models.IntegerField()
    created_count = models.IntegerField(default=0)
    updated_count = models.IntegerField(default=0)
    unchanged_count = models.IntegerField(default=0)
    refused_count = models.IntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta(TypedModelMeta):
        db_table = "client_imports"
        ordering = ("-id",)
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=ImportState.values), name="client_import_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state=ImportState.DONE, finished_at__isnull=False)
                | (~Q(state=ImportState.DONE) & Q(finished_at=None)),
                name="client_import_is_done_when_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"import {self.pk}"


class ClientImportRow(models.Model):
    """A line of the file. When the import is done, only the refused ones are kept, for its report."""

    of_import = models.ForeignKey(ClientImport, on_delete=models.CASCADE, related_name="rows", db_index=False)
    number = models.IntegerField()
    """Of the line in the file."""
    cells = models.JSONField()
    outcome = models.TextField(choices=RowOutcome.choices, default=RowOutcome.PENDING, db_default="")
    problem = models.TextField(blank=True, default="", db_default="")
    """Why it was refused, for the author."""
    client = models.ForeignKey(Client, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta(TypedModelMeta):
        db_table = "client_import_rows"
        ordering = ("number",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["of_import", "number"], name="client_import_row_is_unique"),
            models.CheckConstraint(
                condition=Q(outcome__in=RowOutcome.values), name="client_import_outcome_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.number} of import {self.of_import_id}"

    @property
    def text(self) -> str:
        """The cells that are not empty, as they are shown beside the reason of a refusal."""
        return " · ".join(filter(None, self.cells))
