from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object


class SampleData(models.Model):
    """What the demo made, by id, so that nothing else is removed. At most one row: samples are made once."""

    conversations = ArrayField(models.BigIntegerField(), default=list)
    clients = ArrayField(models.BigIntegerField(), default=list)
    tags = ArrayField(models.BigIntegerField(), default=list)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta(TypedModelMeta):
        db_table = "demo_sample_data"
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(pk=1), name="samples_are_made_once"),
        ]

    def __str__(self) -> str:
        return f"sample data of {self.created_at:%Y-%m-%d}"
