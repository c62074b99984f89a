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
from relais.choices import Choices, InvalidChoices, check_question
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
from relais.quick_replies.variables import PLACEHOLDER, VARIABLES, unknown_variables
from relais.text import has_visible_characters

DERIVED_TITLE_CHARACTERS = 60


class QuickReplyQuerySet(ShortcutItemQuerySet["QuickReply"]):
    def with_files(self) -> QuickReplyQuerySet:
        """With `file_values`, what is shown of the files of each."""
        return self.annotate(file_values=file_values())


class QuickReply(ShortcutItem):
    not_found_sentence = gettext_lazy("Cette réponse rapide n'existe pas, ou n'est pas à votre portée.")

    text = models.TextField()
    choices: Any = models.JSONField(null=True)
    """Buttons or a list under the text, as `Choices.as_json`; none together with files."""

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
        choices: Choices | None = None,
    ) -> QuickReply:
        """Idempotent: the same reply for the same people is returned, not made twice. Raises ActionRefused."""
        cls.require_permission(by, target)
        fields = clean_fields(shortcut=shortcut, title=title, text=text, files=files, choices=choices)
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
        choices: Choices | None = None,
        removes_choices: bool = False,
    ) -> None:
        """`version` is that of the form; None changes whatever is there. No `files` or `choices` keeps those there are.

        Raises ActionRefused.
        """
        self.require_editable(by)
        self.require_permission(by, target)
        kept = self.outgoing_files() if files is None else files
        kept_choices = None if removes_choices else choices or self.saved_choices
        fields = clean_fields(shortcut=shortcut, title=title, text=text, files=kept, choices=kept_choices)
        _lock_files(kept)
        self._store_change(fields, by=by, target=target, at=at, version=version)
        if files is not None:
            replace_files(self.pk, files)
        audit.record("quick reply changed", actor=by.pk, quick_reply=self.pk)

    @property
    def saved_choices(self) -> Choices | None:
        return Choices.from_json(self.choices) if self.choices else None

    @property
    def choice_titles(self) -> list[str]:
        return [item.title for item in self.saved_choices.items] if self.saved_choices else []

    def outgoing_files(self) -> list[OutgoingFile]:
        return outgoing_files(self.files.select_related("file"))

    def stored_ids(self) -> list[int]:
        return list(self.files.values_list("file", flat=True))

    def remove(self, *, by: User) -> None:
        pk = self.pk
        if self._delete_row(by=by):
            audit.record("quick reply deleted", actor=by.pk, quick_reply=pk)


def clean_fields(
    *,
    shortcut: str,
    title: str,
    text: str,
    files: Sequence[OutgoingFile] = (),
    choices: Choices | None = None,
) -> dict[str, Any]:
    """The columns for what a person typed; a reply with files needs no text. Raises InvalidField or InvalidChoices."""
    text = text.replace("\r\n", "\n").strip()
    derived_title = _first_words(text) or next((each.filename for each in files), "")
    titles = [item.title for item in choices.items] if choices else []
    fields = shortcut_fields(
        shortcut=shortcut,
        title=title.strip() or derived_title[:DERIVED_TITLE_CHARACTERS],
        text="\n".join([text, *titles]),
    )
    if problem := _text_problem(text, is_required=not files):
        raise InvalidField("text", problem)
    if choices:
        _check_choices(choices, text, files)
    return fields | {"text": text, "choices": choices.as_json() if choices else None}


def _check_choices(choices: Choices, text: str, files: Sequence[OutgoingFile]) -> None:
    if files:
        raise InvalidChoices(
            _(
                "Un message WhatsApp porte des choix ou des fichiers, pas les deux. Retirez les uns ou les autres."
            )
        )
    check_question(text)
    for item in choices.items:
        if PLACEHOLDER.search(f"{item.title} {item.description}"):
            raise InvalidChoices(
                _("« %(title)s » : un choix n'a pas de variable. Écrivez-la dans le texte.")
                % {"title": item.title}
            )


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
