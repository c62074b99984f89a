"""What quick replies and macros share: a shortcut, a title, for whom they are, their uses and their search."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar

from django.db import IntegrityError, models, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from relais.accounts.models import Team, User
from relais.action_errors import ActionRefused, InvalidField, NotAllowed
from relais.quick_replies.permissions import ScopeTarget, may_edit, visible_to
from relais.quick_replies.scopes import Scope
from relais.text import fold, has_visible_characters

MAX_SHORTCUT_CHARACTERS = 40
MAX_TITLE_CHARACTERS = 80
MAX_QUERY_WORDS = 8

Item = TypeVar("Item", bound="ShortcutItem")


class EditConflict(ActionRefused):
    """Someone else changed it after the form was opened."""

    code = "changed"
    http_status = 409


class ShortcutItemQuerySet(models.QuerySet[Item]):
    def visible_to(self, user: User) -> Self:
        return self.filter(visible_to(user))

    def matching(self, query: str) -> Self:
        """Those with every word of the query in the shortcut, the title or a text; accents and case are ignored."""
        found = self
        for word in fold(query).replace("/", " ").split()[:MAX_QUERY_WORDS]:
            found = found.filter(
                Q(shortcut_key__contains=word) | Q(title_key__contains=word) | Q(text_key__contains=word)
            )
        return found

    def ranked(self, query: str = "") -> Self:
        """A shortcut typed in full, then the most used, then the best match."""
        key = fold(query).strip().lstrip("/")
        is_exact = Case(When(shortcut_key=key, then=Value(0)), default=Value(1))
        quality = Case(
            When(shortcut_key__startswith=key, then=Value(0)),
            When(shortcut_key__contains=key, then=Value(1)),
            When(title_key__contains=key, then=Value(2)),
            default=Value(3),
        )
        return self.order_by(is_exact, "-use_count", quality, "title_key", "pk")


@dataclass(frozen=True)
class RefusalSentences:
    """Why a change is refused, each in the words for the kind of item."""

    changed: Callable[[], str]
    """Someone else was faster."""
    shared: Callable[[], str]
    """It is shared, and the user may not edit it."""
    sharing_reserved: Callable[[], str]


class ShortcutItem(models.Model):
    scope = models.CharField(max_length=4, choices=Scope.choices)
    owner = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.CASCADE, related_name="%(app_label)s"
    )
    """Set if it is one user's own."""
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.CASCADE, related_name="%(app_label)s"
    )
    """Set if it is a team's."""
    shortcut = models.TextField()
    title = models.TextField()
    # The texts without case and accents, for the search.
    shortcut_key = models.TextField()
    title_key = models.TextField()
    text_key = models.TextField()
    use_count = models.IntegerField(db_default=0)
    last_used_at = models.DateTimeField(null=True)
    version = models.IntegerField(db_default=1)
    """Raised by each change, so that a form opened before it does not undo it."""
    changed_by_name = models.TextField(blank=True, default="", db_default="")
    changed_at = models.DateTimeField(db_default=Now())

    refusal_sentences: ClassVar[RefusalSentences]

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"/{self.shortcut}"

    @property
    def target(self) -> ScopeTarget:
        return ScopeTarget(Scope(self.scope), self.team)

    def may_be_edited_by(self, user: User) -> bool:
        return may_edit(user, self.scope, owner_id=self.owner_id, team_id=self.team_id)

    @classmethod
    def find(cls, target: ScopeTarget, owner: User, shortcut: str) -> models.QuerySet[Self]:
        """The one with this shortcut for the same people."""
        key = fold(normalize_shortcut(shortcut))
        return cls._default_manager.filter(**_target_fields(target, owner), shortcut_key=key)

    def record_use(self, *, at: datetime) -> None:
        items = type(self)._default_manager.filter(pk=self.pk)
        items.update(use_count=F("use_count") + 1, last_used_at=at)

    @classmethod
    def _store(
        cls, fields: dict[str, Any], *, by: User, target: ScopeTarget, at: datetime
    ) -> tuple[Self, bool]:
        """The new one and True; if there is the same for the same people, that one and False."""
        item = cls(**_target_fields(target, by), **fields, changed_by_name=str(by), changed_at=at)
        try:
            with transaction.atomic():
                item.save(force_insert=True)
        except IntegrityError:
            existing = cls.find(target, by, fields["shortcut"]).first()
            if existing and all(getattr(existing, name) == value for name, value in fields.items()):
                return existing, False
            raise shortcut_taken(fields["shortcut"]) from None
        item.refresh_from_db()
        return item, True

    def _store_change(
        self, fields: dict[str, Any], *, by: User, target: ScopeTarget, at: datetime, version: int | None
    ) -> None:
        unchanged = type(self)._default_manager.filter(
            pk=self.pk, **({} if version is None else {"version": version})
        )
        try:
            with transaction.atomic():
                changed = unchanged.update(
                    **fields,
                    **_target_fields(target, by),
                    version=F("version") + 1,
                    changed_by_name=str(by),
                    changed_at=at,
                )
        except IntegrityError:
            raise shortcut_taken(fields["shortcut"]) from None
        if not changed:
            raise EditConflict(self.refusal_sentences.changed())
        self.refresh_from_db()

    def _delete_row(self, *, by: User) -> bool:
        self.require_editable(by)
        return bool(type(self)._default_manager.filter(pk=self.pk).delete()[0])

    @classmethod
    def require_permission(cls, user: User, target: ScopeTarget) -> None:
        """Raises NotAllowed unless the user may have items for these people."""
        team_id = target.team.pk if target.team else None
        if not may_edit(user, target.scope, owner_id=user.pk, team_id=team_id):
            raise NotAllowed(cls.refusal_sentences.sharing_reserved())

    def require_editable(self, user: User) -> None:
        if not self.may_be_edited_by(user):
            raise NotAllowed(self.refusal_sentences.shared())


def scope_constraints(name: str) -> list[Any]:
    """For whom it is, and one shortcut for the same people; `name` is that of the kind of item, for the constraints."""
    return [
        models.CheckConstraint(
            condition=Q(scope="mine", owner__isnull=False, team=None)
            | Q(scope="team", owner=None, team__isnull=False)
            | Q(scope="all", owner=None, team=None),
            name=f"{name}_scope_has_its_target",
        ),
        models.UniqueConstraint(
            fields=["owner", "shortcut_key"],
            condition=Q(scope="mine"),
            name=f"one_{name}_per_owner_and_shortcut",
        ),
        models.UniqueConstraint(
            fields=["team", "shortcut_key"],
            condition=Q(scope="team"),
            name=f"one_{name}_per_team_and_shortcut",
        ),
        models.UniqueConstraint(
            fields=["shortcut_key"],
            condition=Q(scope="all"),
            name=f"one_{name}_for_all_per_shortcut",
        ),
    ]


def normalize_shortcut(shortcut: str) -> str:
    """Without the slash, in lower case, words joined by hyphens."""
    return "-".join(shortcut.strip().lstrip("/").lower().split())


def shortcut_fields(*, shortcut: str, title: str, text: str) -> dict[str, str]:
    """The columns of the shortcut and the title, and those of the search; `text` is what it finds besides them.

    Raises InvalidField.
    """
    shortcut, title = normalize_shortcut(shortcut), " ".join(title.split())
    _require_valid_shortcut(shortcut)
    if len(title) > MAX_TITLE_CHARACTERS:
        raise InvalidField(
            "title", _("Le titre dépasse %(most)s caractères.") % {"most": MAX_TITLE_CHARACTERS}
        )
    return {
        "shortcut": shortcut,
        "title": title,
        "shortcut_key": fold(shortcut),
        "title_key": fold(title),
        "text_key": fold(text),
    }


def _require_valid_shortcut(shortcut: str) -> None:
    if not has_visible_characters(shortcut):
        raise InvalidField("shortcut", _("Donnez un raccourci, par exemple « rdv »."))
    if len(shortcut) > MAX_SHORTCUT_CHARACTERS:
        raise InvalidField(
            "shortcut", _("Le raccourci dépasse %(most)s caractères.") % {"most": MAX_SHORTCUT_CHARACTERS}
        )
    if re.search(r"[/{}]", shortcut):
        raise InvalidField("shortcut", _("Le raccourci ne contient ni barre oblique ni accolade."))


def _target_fields(target: ScopeTarget, owner: User) -> dict[str, Any]:
    return {
        "scope": target.scope,
        "owner": owner if target.scope == Scope.MINE else None,
        "team": target.team,
    }


def shortcut_taken(shortcut: str) -> InvalidField:
    return InvalidField(
        "shortcut",
        _("Le raccourci « /%(shortcut)s » existe déjà pour les mêmes personnes. Choisissez-en un autre.")
        % {"shortcut": normalize_shortcut(shortcut)},
    )
