"""The table of quick replies with its verbs: create, change, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from relais.accounts import audit
from relais.accounts.models import User
from relais.action_errors import InvalidField
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.quick_replies.permissions import ScopeTarget
from relais.quick_replies.shortcut_items import (
    RefusalSentences,
    ShortcutItem,
    ShortcutItemQuerySet,
    scope_constraints,
    shortcut_fields,
)
from relais.quick_replies.variables import VARIABLES, unknown_variables
from relais.text import has_visible_characters

DERIVED_TITLE_CHARACTERS = 60


class QuickReplyQuerySet(ShortcutItemQuerySet["QuickReply"]):
    pass


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
    def create(
        cls, *, by: User, target: ScopeTarget, shortcut: str, title: str, text: str, at: datetime
    ) -> QuickReply:
        """Idempotent: the same reply for the same people is returned, not made twice. Raises ActionRefused."""
        cls.require_permission(by, target)
        fields = clean_fields(shortcut=shortcut, title=title, text=text)
        reply, is_new = cls._store(fields, by=by, target=target, at=at)
        if is_new:
            audit.record("quick reply created", actor=by.pk, quick_reply=reply.pk)
        return reply

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
    ) -> None:
        """`version` is that of the form; None changes whatever is there. Raises ActionRefused."""
        self.require_editable(by)
        self.require_permission(by, target)
        fields = clean_fields(shortcut=shortcut, title=title, text=text)
        self._store_change(fields, by=by, target=target, at=at, version=version)
        audit.record("quick reply changed", actor=by.pk, quick_reply=self.pk)

    def remove(self, *, by: User) -> None:
        pk = self.pk
        if self._delete_row(by=by):
            audit.record("quick reply deleted", actor=by.pk, quick_reply=pk)


def clean_fields(*, shortcut: str, title: str, text: str) -> dict[str, Any]:
    """The columns for what a person typed. Raises InvalidField."""
    text = text.replace("\r\n", "\n").strip()
    fields = shortcut_fields(shortcut=shortcut, title=title.strip() or _first_words(text), text=text)
    if problem := _text_problem(text):
        raise InvalidField("text", problem)
    return fields | {"text": text}


def _first_words(text: str) -> str:
    line = next(iter(text.splitlines()), "").strip()
    return line if len(line) <= DERIVED_TITLE_CHARACTERS else line[: DERIVED_TITLE_CHARACTERS - 1] + "…"


def _text_problem(text: str) -> str:
    """Why a text with variables cannot be stored; empty if it can."""
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
