"""The table of quick replies with its verbs: create, change, delete, count a use, and the search of the composer."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from django.db import IntegrityError, models, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from relais.accounts import audit
from relais.accounts.models import Team, User
from relais.action_errors import ActionRefused, InvalidField, NotAllowed
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.quick_replies.permissions import ScopeTarget, may_edit, visible_to
from relais.quick_replies.scopes import Scope
from relais.quick_replies.variables import VARIABLES, unknown_variables
from relais.text import fold, has_visible_characters

MAX_SHORTCUT_CHARACTERS = 40
MAX_TITLE_CHARACTERS = 80
DERIVED_TITLE_CHARACTERS = 60
MAX_QUERY_WORDS = 8


class EditConflict(ActionRefused):
    """Someone else changed the reply after the form was opened."""

    code = "changed"
    http_status = 409

    def __init__(self) -> None:
        super().__init__(
            _("Cette réponse a été modifiée entre-temps. Relisez-la, puis enregistrez de nouveau.")
        )


class QuickReplyQuerySet(models.QuerySet["QuickReply"]):
    def visible_to(self, user: User) -> QuickReplyQuerySet:
        return self.filter(visible_to(user))

    def matching(self, query: str) -> QuickReplyQuerySet:
        """Those with every word of the query in the shortcut, the title or the text; accents and case are ignored."""
        found = self
        for word in fold(query).replace("/", " ").split()[:MAX_QUERY_WORDS]:
            found = found.filter(
                Q(shortcut_key__contains=word) | Q(title_key__contains=word) | Q(text_key__contains=word)
            )
        return found

    def ranked(self, query: str = "") -> QuickReplyQuerySet:
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


class QuickReply(models.Model):
    scope = models.CharField(max_length=4, choices=Scope.choices)
    owner = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.CASCADE, related_name="quick_replies"
    )
    """Set if it is one user's own."""
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.CASCADE, related_name="quick_replies"
    )
    """Set if it is a team's."""
    shortcut = models.TextField()
    title = models.TextField()
    text = models.TextField()
    # The three texts without case and accents, for the search.
    shortcut_key = models.TextField()
    title_key = models.TextField()
    text_key = models.TextField()
    use_count = models.IntegerField(db_default=0)
    last_used_at = models.DateTimeField(null=True)
    version = models.IntegerField(db_default=1)
    """Raised by each change, so that a form opened before it does not undo it."""
    changed_by_name = models.TextField(blank=True, default="", db_default="")
    changed_at = models.DateTimeField(db_default=Now())

    objects = QuickReplyQuerySet.as_manager()

    class Meta:
        db_table = "quick_replies"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(scope="mine", owner__isnull=False, team=None)
                | Q(scope="team", owner=None, team__isnull=False)
                | Q(scope="all", owner=None, team=None),
                name="quick_reply_scope_has_its_target",
            ),
            models.UniqueConstraint(
                fields=["owner", "shortcut_key"],
                condition=Q(scope="mine"),
                name="one_quick_reply_per_owner_and_shortcut",
            ),
            models.UniqueConstraint(
                fields=["team", "shortcut_key"],
                condition=Q(scope="team"),
                name="one_quick_reply_per_team_and_shortcut",
            ),
            models.UniqueConstraint(
                fields=["shortcut_key"],
                condition=Q(scope="all"),
                name="one_quick_reply_for_all_per_shortcut",
            ),
        ]

    def __str__(self) -> str:
        return f"/{self.shortcut}"

    @property
    def target(self) -> ScopeTarget:
        return ScopeTarget(Scope(self.scope), self.team)

    def may_be_edited_by(self, user: User) -> bool:
        return may_edit(user, self.scope, owner_id=self.owner_id, team_id=self.team_id)

    @classmethod
    def create(
        cls, *, by: User, target: ScopeTarget, shortcut: str, title: str, text: str, at: datetime
    ) -> QuickReply:
        """Idempotent: the same reply for the same people is returned, not made twice. Raises ActionRefused."""
        _require_permission(by, target)
        fields = clean_fields(shortcut=shortcut, title=title, text=text)
        reply = cls(**_target_fields(target, by), **fields, changed_by_name=str(by), changed_at=at)
        try:
            with transaction.atomic():
                reply.save(force_insert=True)
        except IntegrityError:
            existing = cls.find(target, by, shortcut).first()
            if existing and all(getattr(existing, name) == value for name, value in fields.items()):
                return existing
            raise _shortcut_taken(shortcut) from None
        reply.refresh_from_db()
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
        self._require_editable(by)
        _require_permission(by, target)
        fields = clean_fields(shortcut=shortcut, title=title, text=text) | _target_fields(target, by)
        unchanged = QuickReply.objects.filter(pk=self.pk, **({} if version is None else {"version": version}))
        try:
            with transaction.atomic():
                changed = unchanged.update(
                    **fields, version=F("version") + 1, changed_by_name=str(by), changed_at=at
                )
        except IntegrityError:
            raise _shortcut_taken(shortcut) from None
        if not changed:
            raise EditConflict
        self.refresh_from_db()
        audit.record("quick reply changed", actor=by.pk, quick_reply=self.pk)

    def remove(self, *, by: User) -> None:
        self._require_editable(by)
        pk = self.pk
        if QuickReply.objects.filter(pk=pk).delete()[0]:
            audit.record("quick reply deleted", actor=by.pk, quick_reply=pk)

    def record_use(self, *, at: datetime) -> None:
        QuickReply.objects.filter(pk=self.pk).update(use_count=F("use_count") + 1, last_used_at=at)

    def _require_editable(self, user: User) -> None:
        if not self.may_be_edited_by(user):
            raise NotAllowed(_("Cette réponse est partagée : un superviseur peut la modifier."))

    @classmethod
    def find(cls, target: ScopeTarget, owner: User, shortcut: str) -> QuerySet[QuickReply]:
        """The reply with this shortcut for the same people."""
        return cls.objects.filter(
            **_target_fields(target, owner), shortcut_key=fold(normalize_shortcut(shortcut))
        )


def normalize_shortcut(shortcut: str) -> str:
    """Without the slash, in lower case, words joined by hyphens."""
    return "-".join(shortcut.strip().lstrip("/").lower().split())


def clean_fields(*, shortcut: str, title: str, text: str) -> dict[str, Any]:
    """The columns for what a person typed. Raises InvalidField."""
    shortcut, text = normalize_shortcut(shortcut), text.replace("\r\n", "\n").strip()
    title = " ".join(title.split()) or _first_words(text)
    _require_valid_shortcut(shortcut)
    _require_valid_text(text)
    if len(title) > MAX_TITLE_CHARACTERS:
        raise InvalidField(
            "title", _("Le titre dépasse %(most)s caractères.") % {"most": MAX_TITLE_CHARACTERS}
        )
    return {
        "shortcut": shortcut,
        "title": title,
        "text": text,
        "shortcut_key": fold(shortcut),
        "title_key": fold(title),
        "text_key": fold(text),
    }


def _first_words(text: str) -> str:
    line = next(iter(text.splitlines()), "").strip()
    return line if len(line) <= DERIVED_TITLE_CHARACTERS else line[: DERIVED_TITLE_CHARACTERS - 1] + "…"


def _require_valid_shortcut(shortcut: str) -> None:
    if not has_visible_characters(shortcut):
        raise InvalidField("shortcut", _("Donnez un raccourci, par exemple « rdv »."))
    if len(shortcut) > MAX_SHORTCUT_CHARACTERS:
        raise InvalidField(
            "shortcut", _("Le raccourci dépasse %(most)s caractères.") % {"most": MAX_SHORTCUT_CHARACTERS}
        )
    if re.search(r"[/{}]", shortcut):
        raise InvalidField("shortcut", _("Le raccourci ne contient ni barre oblique ni accolade."))


def _require_valid_text(text: str) -> None:
    if not has_visible_characters(text):
        raise InvalidField("text", _("Écrivez le texte de la réponse."))
    if len(text) > MAX_MESSAGE_CHARACTERS:
        raise InvalidField("text", too_long_sentence(len(text)))
    if unknown := unknown_variables(text):
        known = ", ".join(variable.placeholder for variable in VARIABLES)
        raise InvalidField(
            "text",
            _("Variable inconnue : %(unknown)s. Les variables sont %(known)s.")
            % {"unknown": ", ".join(f"{{{name}}}" for name in unknown), "known": known},
        )


def too_long_sentence(length: int) -> str:
    return _("Ce texte a %(length)s caractères, et WhatsApp en prend %(most)s au plus. Raccourcissez-le.") % {
        "length": length,
        "most": MAX_MESSAGE_CHARACTERS,
    }


def _require_permission(user: User, target: ScopeTarget) -> None:
    team_id = target.team.pk if target.team else None
    if not may_edit(user, target.scope, owner_id=user.pk, team_id=team_id):
        raise NotAllowed(_("Seul un superviseur partage une réponse avec une équipe ou avec tout le monde."))


def _target_fields(target: ScopeTarget, owner: User) -> dict[str, Any]:
    return {
        "scope": target.scope,
        "owner": owner if target.scope == Scope.MINE else None,
        "team": target.team,
    }


def _shortcut_taken(shortcut: str) -> InvalidField:
    return InvalidField(
        "shortcut",
        _("Le raccourci « /%(shortcut)s » existe déjà pour les mêmes personnes. Choisissez-en un autre.")
        % {"shortcut": normalize_shortcut(shortcut)},
    )
