"""The table of quick replies with its verbs: create, change, delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.db import models, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from relais.accounts import audit
from relais.accounts.models import User
from relais.action_errors import InvalidField
from relais.files import errors
from relais.files.channel_types import MAX_FILES_PER_SEND
from relais.files.models import lock_stored_files
from relais.files.uploads import OutgoingFile
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.quick_replies.permissions import ScopeTarget
from relais.quick_replies.reply_files import file_values, outgoing_files, replace_files
from relais.quick_replies.shortcut_items import (
    RefusalSentences,
    ShortcutItem,
    ShortcutItemQuerySet,
    scope_constraints,
    shortcut_fields,
    shortcut_taken,
)
from relais.quick_replies.variables import VARIABLES, unknown_variables
from relais.text import has_visible_characters

DERIVED_TITLE_CHARACTERS = 60


class QuickReplyQuerySet(ShortcutItemQuerySet["QuickReply"]):
    def with_files(self) -> QuickReplyQuerySet:
        """With `file_values`, what is shown of the files of each."""
        return self.annotate(file_values=file_values())


class QuickReply(ShortcutItem):
    not_found_sentence = gettext_lazy("Cette réponse rapide n'existe pas, ou n'est pas à votre portée.")

    text = models.TextField()

    objects = QuickReplyQuerySet.as_manager()

    refusal_sentences = RefusalSentences(
        changed=lambda: _(
            "Cette réponse a été modifiée entre-temps. Relisez-la, puis enregistrez de nouveau."
        ),
        shared=lambda: _("Cette réponse est partagée : un superviseur peut la modifier."),
        sharing_reserved=lambda: _(
            "Seul un superviseur partage une réponse avec une équipe ou avec tout le monde."
        ),
    )

    class Meta:
        db_table = "quick_replies"
        constraints: ClassVar = scope_constraints("quick_reply")

    @classmethod
    @transaction.atomic
    def create(
        cls,
        *,
        by: User,
        target: ScopeTarget,
        shortcut: str,
        title: str,
        text: str,
        at: datetime,
        files: Sequence[OutgoingFile] = (),
    ) -> QuickReply:
        """Idempotent: the same reply for the same people is returned, not made twice. Raises ActionRefused."""
        cls.require_permission(by, target)
        fields = clean_fields(shortcut=shortcut, title=title, text=text, files=files)
        _lock_files(files)
        reply, is_new = cls._store(fields, by=by, target=target, at=at)
        if is_new:
            replace_files(reply.pk, files)
            audit.record("quick reply created", actor=by.pk, quick_reply=reply.pk)
        elif reply.stored_ids() != [each.stored.pk for each in files]:
            raise shortcut_taken(reply.shortcut)
        return reply

    @transaction.atomic
    def change(
        self,
        *,
        by: User,
        target: ScopeTarget,
        shortcut: str,
        title: str,
        text: str,
        at: datetime,
        version: int | None = None,
        files: Sequence[OutgoingFile] | None = None,
    ) -> None:
        """`version` is that of the form; None changes whatever is there, and no `files` keeps those that are there.

        Raises ActionRefused.
        """
        self.require_editable(by)
        self.require_permission(by, target)
        kept = self.outgoing_files() if files is None else files
        fields = clean_fields(shortcut=shortcut, title=title, text=text, files=kept)
        _lock_files(kept)
        self._store_change(fields, by=by, target=target, at=at, version=version)
        if files is not None:
            replace_files(self.pk, files)
        audit.record("quick reply changed", actor=by.pk, quick_reply=self.pk)

    def outgoing_files(self) -> list[OutgoingFile]:
        return outgoing_files(self.files.select_related("file"))

    def stored_ids(self) -> list[int]:
        return list(self.files.values_list("file", flat=True))

    def remove(self, *, by: User) -> None:
        pk = self.pk
        if self._delete_row(by=by):
            audit.record("quick reply deleted", actor=by.pk, quick_reply=pk)


def clean_fields(
    *, shortcut: str, title: str, text: str, files: Sequence[OutgoingFile] = ()
) -> dict[str, Any]:
    """The columns for what a person typed; a reply with files needs no text. Raises InvalidField."""
    text = text.replace("\r\n", "\n").strip()
    derived_title = _first_words(text) or next((each.filename for each in files), "")
    fields = shortcut_fields(
        shortcut=shortcut, title=title.strip() or derived_title[:DERIVED_TITLE_CHARACTERS], text=text
    )
    if problem := _text_problem(text, is_required=not files):
        raise InvalidField("text", problem)
    return fields | {"text": text}


def _lock_files(files: Sequence[OutgoingFile]) -> None:
    if len(files) > MAX_FILES_PER_SEND:
        raise errors.too_many_files()
    lock_stored_files([each.stored.pk for each in files])


def _first_words(text: str) -> str:
    line = next(iter(text.splitlines()), "").strip()
    return line if len(line) <= DERIVED_TITLE_CHARACTERS else line[: DERIVED_TITLE_CHARACTERS - 1] + "…"


def _text_problem(text: str, *, is_required: bool) -> str:
    """Why a text with variables cannot be stored; empty if it can."""
    if not text and not is_required:
        return ""
    if not has_visible_characters(text):
        return _("Écrivez le texte de la réponse.")
    if len(text) > MAX_MESSAGE_CHARACTERS:
        return too_long_sentence(len(text))
    return unknown_variables_sentence(text)


def unknown_variables_sentence(text: str) -> str:
    """Names its unknown variables and the known ones; empty if there are none."""
    unknown = unknown_variables(text)
    if not unknown:
        return ""
    return _("Variable inconnue : %(unknown)s. Les variables sont %(known)s.") % {
        "unknown": ", ".join(f"{{{name}}}" for name in unknown),
        "known": ", ".join(variable.placeholder for variable in VARIABLES),
    }


def too_long_sentence(length: int) -> str:
    return _("Ce texte a %(length)s caractères, et WhatsApp en prend %(most)s au plus. Raccourcissez-le.") % {
        "length": length,
        "most": MAX_MESSAGE_CHARACTERS,
    }
