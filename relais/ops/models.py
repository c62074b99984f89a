"""What the processes leave behind so that one can tell that they live."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object


class Heartbeat(models.Model):
    """The last sign of life of one duty (`jobs`, `sender`), whichever process carries it out."""

    name = models.TextField(primary_key=True)
    process = models.TextField()
    at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    """When that process began."""

    class Meta(TypedModelMeta):
        db_table = "heartbeats"

    def __str__(self) -> str:
        return f"{self.name} of {self.process}"


class JobCompletion(models.Model):
    """When a job of one task (`task NAME`) last succeeded, or one of a queue (`queue NAME`) last came to its end."""

    name = models.TextField(primary_key=True)
    completed_at = models.DateTimeField()

    class Meta(TypedModelMeta):
        db_table = "job_completions"

    def __str__(self) -> str:
        return self.name
