"""The table of macros with its verbs: create, change, delete. Running one is in `runs.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from relais.accounts import audit
from relais.accounts.models import User
from relais.action_errors import InvalidField
from relais.macros.runs import MacroRun
from relais.macros.step_rules import clean_steps
from relais.macros.steps import Step, step_from_json, texts_of
from relais.quick_replies.permissions import ScopeTarget
from relais.quick_replies.shortcut_items import (
    RefusalSentences,
    ShortcutItem,
    ShortcutItemQuerySet,
    scope_constraints,
    shortcut_fields,
)
from relais.text import has_visible_characters

__all__ = ["Macro", "MacroRun", "clean_fields"]


class MacroQuerySet(ShortcutItemQuerySet["Macro"]):
    pass


class Macro(ShortcutItem):
    not_found_sentence = gettext_lazy("Cette macro n'existe pas, ou n'est pas à votre portée.")

    steps: Any = models.JSONField()
    """In order, each as `Step.to_json`."""

    objects = MacroQuerySet.as_manager()

    refusal_sentences = RefusalSentences(
        changed=lambda: _("Cette macro a été modifiée entre-temps. Relisez-la, puis enregistrez de nouveau."),
        shared=lambda: _("Cette macro est partagée : un superviseur peut la modifier."),
        sharing_reserved=lambda: _(
            "Seul un superviseur partage une macro avec une équipe ou avec tout le monde."
        ),
    )

    class Meta:
        db_table = "macros"
        constraints: ClassVar = scope_constraints("macro")

    def step_list(self) -> list[Step]:
        return [step_from_json(each) for each in self.steps]

    @classmethod
    def create(
        cls,
        *,
        by: User,
        target: ScopeTarget,
        shortcut: str,
        title: str,
        steps: Sequence[Any],
        at: datetime,
    ) -> Macro:
        """Idempotent: the same macro for the same people is returned, not made twice. Raises ActionRefused."""
        cls.require_permission(by, target)
        fields = clean_fields(by=by, shortcut=shortcut, title=title, steps=steps)
        macro, is_new = cls._store(fields, by=by, target=target, at=at)
        if is_new:
            audit.record("macro created", actor=by.pk, macro=macro.pk)
        return macro

    def change(
        self,
        *,
        by: User,
        target: ScopeTarget,
        shortcut: str,
        title: str,
        steps: Sequence[Any],
        at: datetime,
        version: int | None = None,
    ) -> None:
        """`version` is that of the form; None changes whatever is there. Raises ActionRefused."""
        self.require_editable(by)
        self.require_permission(by, target)
        fields = clean_fields(by=by, shortcut=shortcut, title=title, steps=steps)
        self._store_change(fields, by=by, target=target, at=at, version=version)
        audit.record("macro changed", actor=by.pk, macro=self.pk)

    def remove(self, *, by: User) -> None:
        pk = self.pk
        if self._delete_row(by=by):
            audit.record("macro deleted", actor=by.pk, macro=pk)


def clean_fields(*, by: User, shortcut: str, title: str, steps: Sequence[Any]) -> dict[str, Any]:
    """The columns for what a person gave. Raises InvalidField."""
    if not has_visible_characters(title):
        raise InvalidField("title", _("Donnez un nom à la macro, par exemple « Devis envoyé »."))
    cleaned = clean_steps(steps, by=by)
    fields = shortcut_fields(shortcut=shortcut, title=title, text="\n".join(texts_of(cleaned)))
    return fields | {"steps": [step.to_json() for step in cleaned]}
