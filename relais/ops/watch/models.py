"""The stored metrics of all processes. They are shown, never used for a decision."""

from typing import TYPE_CHECKING, ClassVar

from django.db import models

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object


class Snapshot(models.Model):
    """The latest metrics of one process, in the text format of Prometheus."""

    process = models.TextField(primary_key=True)
    kind = models.TextField()
    text = models.TextField()
    at = models.DateTimeField()

    class Meta(TypedModelMeta):
        db_table = "watch_snapshots"

    def __str__(self) -> str:
        return f"{self.kind} {self.process}"


class Tally(models.Model):
    """The count of one kind of event in one minute, summed over all processes."""

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
