"""The files of a quick reply: stored like those of messages, and kept as long as a reply or a message has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import F, OuterRef
from django.db.models.functions import JSONObject
from django.urls import reverse
from django.utils.translation import gettext_lazy

from relais.accounts.models import User
from relais.files.file_tokens import file_token
from relais.files.models import StoredFile
from relais.files.uploads import OutgoingFile
from relais.text import sanitize_for_postgres

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object

MAX_FILENAME_CHARACTERS = 200


class QuickReplyFile(models.Model):
    not_found_sentence = gettext_lazy("Ce fichier n'existe pas, ou n'est pas à votre portée.")

    reply = models.ForeignKey(
        "quick_replies.QuickReply", on_delete=models.CASCADE, related_name="files", db_index=False
    )
    position = models.SmallIntegerField()
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="quick_reply_files")
    content_type = models.TextField()
    filename = models.TextField()

    class Meta(TypedModelMeta):
        db_table = "quick_reply_files"
        ordering = ("position",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reply", "position"], name="one_quick_reply_file_per_position"),
        ]

    def __str__(self) -> str:
        return self.filename

    @property
    def is_picture(self) -> bool:
        return self.content_type.startswith("image/")


def outgoing_files(files: Iterable[QuickReplyFile]) -> list[OutgoingFile]:
    return [OutgoingFile(each.file, each.content_type, each.filename) for each in files]


def replace_files(reply_id: int, files: Iterable[OutgoingFile]) -> None:
    """The caller holds the lock of the stored files (`lock_stored_files`)."""
    QuickReplyFile.objects.filter(reply=reply_id).delete()
    QuickReplyFile.objects.bulk_create(
        QuickReplyFile(
            reply_id=reply_id,
            position=position,
            file=each.stored,
            content_type=each.content_type,
            filename=clean_filename(each.filename),
        )
        for position, each in enumerate(files)
    )


def clean_filename(name: str) -> str:
    """Shortened at the end of its stem, so that the extension stays."""
    stem, dot, extension = sanitize_for_postgres(name).rpartition(".")
    return f"{stem[: MAX_FILENAME_CHARACTERS - len(extension)]}{dot}{extension}"[-MAX_FILENAME_CHARACTERS:]


def file_values() -> ArraySubquery:
    """An annotation: the files of each reply of a query, in order, without another query."""
    rows = QuickReplyFile.objects.filter(reply=OuterRef("pk")).order_by("position")
    return ArraySubquery(
        rows.values(
            json=JSONObject(
                id=F("pk"),
                file=F("file_id"),
                name=F("filename"),
                content_type=F("content_type"),
                size=F("file__size"),
            )
        )
    )


def file_json(values: dict[str, Any], *, user: User) -> dict[str, Any]:
    """What a program reads of a file; `token` sends it with a message, as `stored_file`."""
    token = file_token(
        values["file"], content_type=values["content_type"], filename=values["name"], user_id=user.pk
    )
    fields = {name: values[name] for name in ("id", "name", "content_type", "size")}
    return {**fields, "url": reverse("quick_reply_file", args=[values["id"]]), "token": token}
