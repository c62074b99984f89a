"""What the processes tell each other of what they counted. Nothing is decided by it."""

from typing import TYPE_CHECKING, ClassVar

from django.db import models

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object


class Snapshot(models.Model):
    """The counters of one process as they were a moment ago, in the text format of Prometheus."""

    process = models.TextField(primary_key=True)
    kind = models.TextField()
    text = models.TextField()
    at = models.DateTimeField()

    class Meta(TypedModelMeta):
        db_table = "watch_snapshots"

    def __str__(self) -> str:
        return f"{self.kind} {self.process}"


class Tally(models.Model):
    """How often something happened in one minute, in all processes together."""

    minute = models.DateTimeField()
    name = models.TextField()
    count = models.BigIntegerField()
    last_at = models.DateTimeField()

    class Meta(TypedModelMeta):
        db_table = "watch_tallies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "minute"], name="one_tally_per_minute"),
        ]
        indexes: ClassVar = [models.Index(fields=["minute"], name="tallies_by_minute")]

    def __str__(self) -> str:
        return f"{self.count} × {self.name}"
