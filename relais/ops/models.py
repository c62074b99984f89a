"""Heartbeats and completion times of the background processes, read by health, doctor and metrics."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object


class Heartbeat(models.Model):
    """The last heartbeat of a service (`jobs`, `sender`), whichever process runs it."""

    name = models.TextField(primary_key=True)
    process = models.TextField()
    at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    """When that process started."""

    class Meta(TypedModelMeta):
        db_table = "heartbeats"

    def __str__(self) -> str:
        return f"{self.name} of {self.process}"


class JobCompletion(models.Model):
    """When a job of a task (`task NAME`) last succeeded, or a job of a queue (`queue NAME`) last finished."""

    name = models.TextField(primary_key=True)
    completed_at = models.DateTimeField()

    class Meta(TypedModelMeta):
        db_table = "job_completions"

    def __str__(self) -> str:
        return self.name
