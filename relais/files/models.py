"""The table of stored files: content-addressed, and kept as long as a row of any table references them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from relais.files import errors
from relais.files.chunks import CHUNK_BYTES
from relais.files.storage import storage
from relais.files.temporary_files import temporary_file

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object

UNREFERENCED_FOR = timedelta(days=1)
"""How long a file without reference stays: an upload is stored before the message that references it."""
CLEANUP_SLICE = 500


class StoredFileQuerySet(models.QuerySet["StoredFile"]):
    def unreferenced(self) -> StoredFileQuerySet:
        """Without a row that references it, in any table with a foreign key to this one."""
        return self.exclude(self._has_reference())

    @staticmethod
    def _has_reference() -> Q:
        condition = Q(pk__in=[])
        for relation in StoredFile._meta.related_objects:
            rows = relation.related_model._base_manager.filter(**{relation.field.name: OuterRef("pk")})
            condition |= Q(Exists(rows))
        return condition


class StoredFile(models.Model):
    sha256 = models.CharField(max_length=64, unique=True)
    size = models.BigIntegerField()
    content_type = models.TextField()
    stored_at = models.DateTimeField()
    """When it was last stored; the same content again only moves this."""
    previewed_at = models.DateTimeField(null=True)
    """When `previews.py` read it; null while it has not."""
    details = models.JSONField(default=dict, db_default={})
    """`seconds`, `pages`, `slides`, `sheet`, `title`, `contacts`, `width`, `height`, `frames`: what is known of it."""
    thumbnail = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="thumbnail_of")
    infection = models.TextField(blank=True, default="", db_default="")
    """The name that the virus scanner gave what it found; empty for all other files. Such a file is in quarantine."""

    objects = StoredFileQuerySet.as_manager()

    class Meta(TypedModelMeta):
        db_table = "stored_files"
        indexes: ClassVar = [models.Index(fields=["stored_at"], name="stored_files_by_age")]

    def __str__(self) -> str:
        return f"stored file {self.pk}"

    @property
    def key(self) -> str:
        """An infected file is kept where nothing that is served is."""
        return f"{'quarantine' if self.infection else 'sha256'}/{self.sha256[:2]}/{self.sha256}"

    def read(
        self, *, start: int = 0, length: int | None = None, chunk_bytes: int = CHUNK_BYTES
    ) -> Iterator[bytes]:
        """Raises FileNotFoundError, also for what is in quarantine: nothing serves or reads that."""
        if self.infection:
            raise FileNotFoundError(self.key)
        length = self.size - start if length is None else length
        return storage().read(self.key, start=start, length=length, chunk_bytes=chunk_bytes)


def store_file(file: BinaryIO, *, content_type: str, at: datetime) -> StoredFile:
    """Store it, unless the same content is stored already. Call outside the transaction that will reference it.

    The row is committed before the file is written, so that the clean-up finds the file of a process that was killed.
    """
    sha256, size = _digest(file)
    values: dict[str, Any] = {"size": size, "content_type": content_type, "stored_at": at}
    StoredFile.objects.bulk_create(
        [StoredFile(sha256=sha256, **values)],
        update_conflicts=True,
        unique_fields=["sha256"],
        update_fields=["stored_at"],
    )
    stored = StoredFile.objects.get(sha256=sha256)
    if not storage().exists(stored.key):
        storage().put(stored.key, file)
    return stored


def quarantine(stored: StoredFile, infection: str) -> None:
    """Move an infected file to where nothing that is served is. Idempotent, also after a process was killed in it."""
    source = stored.key
    stored.infection = infection
    if stored.key != source and storage().exists(source):
        with temporary_file() as copy:
            for chunk in storage().read(source, length=stored.size):
                copy.write(chunk)
            storage().put(stored.key, copy)
    StoredFile.objects.filter(pk=stored.pk).update(infection=infection)
    if stored.key != source:
        storage().delete(source)


def lock_stored_files(ids: Collection[int]) -> None:
    """Keep them from the clean-up until the transaction ends. Raises FileRefused if one is gone, or in quarantine."""
    rows = StoredFile.objects.select_for_update(no_key=True).filter(pk__in=ids, infection="").order_by("pk")
    if len(rows) < len(set(ids)):
        raise errors.missing()


def delete_unreferenced(*, at: datetime) -> int:
    """Delete files that nothing has referenced since a day. Returns their number."""
    storage().delete_leftovers(before=at - UNREFERENCED_FOR)
    old = StoredFile.objects.unreferenced().filter(stored_at__lt=at - UNREFERENCED_FOR)
    ids = list(old.order_by("stored_at").values_list("pk", flat=True)[:CLEANUP_SLICE])
    return sum(_delete_if_unreferenced(pk, at) for pk in ids)


@transaction.atomic
def _delete_if_unreferenced(pk: int, at: datetime) -> bool:
    """The lock waits for whoever is about to reference it; what is locked is looked at again.

    The file goes before the row: a row without file is found by the next clean-up, and by `store_file`, which waits for
    this row, as a file to write again. A file without row would never be found.
    """
    locked = StoredFile.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        pk=pk, stored_at__lt=at - UNREFERENCED_FOR
    )
    stored = locked.first()
    if stored is None or not StoredFile.objects.unreferenced().filter(pk=pk).exists():
        return False
    storage().delete(stored.key)
    stored.delete()
    return True


def _digest(file: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size
