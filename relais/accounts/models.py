from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models, transaction
from django.db.models import Value
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from relais.accounts.bearer import new_token
from relais.accounts.roles import Role, is_at_least, roles_at_least
from relais.accounts.signals import user_deactivated
from relais.text import has_visible_characters
from relais.undo_limits import DEFAULT_UNDO_SECONDS, UNDO_CHOICES

LAST_USED_PRECISION = timedelta(minutes=1)
DEFAULT_CAPACITY, MAX_CAPACITY = 5, 100
ROLE_CHOICES = [
    (Role.AGENT.value, pgettext_lazy("role", "Agent")),
    (Role.SUPERVISOR.value, pgettext_lazy("role", "Superviseur")),
    (Role.ADMIN.value, pgettext_lazy("role", "Administrateur")),
    (Role.SUPER_ADMIN.value, pgettext_lazy("role", "Super administrateur")),
]


class LastSuperAdmin(Exception):
    """Nobody else could grant roles again. The message is a translated sentence for the user."""

    def __init__(self) -> None:
        super().__init__(
            _("C'est le dernier super administrateur actif. Donnez d'abord ce rôle à quelqu'un d'autre.")
        )

    def __str__(self) -> str:
        return str(self.args[0])


class Language(models.TextChoices):
    FRENCH = "fr", "Français"
    ENGLISH = "en", "English"
    ARABIC = "ar", "العربية"


class Sound(models.TextChoices):
    """The sound of notifications: a file in `static/sound`."""

    CHIME = "chime", _("Carillon")
    DROP = "drop", _("Goutte")
    WOOD = "wood", _("Bois")
    OFF = "", _("Aucun son")


class Team(models.Model):
    name = models.CharField(_("nom"), max_length=80, unique=True)

    class Meta:
        db_table = "teams"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    @transaction.atomic
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a user who signs in with `email`; without a password, he needs an invitation link first.

        The address counts as verified, since an admin typed it: an unverified one would rule out two-factor sign-in.
        """
        from allauth.account.models import EmailAddress

        user = self.model(email=self.canonical_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=self.canonical_email(username or ""))

    @staticmethod
    def canonical_email(email: str) -> str:
        return email.strip().lower()

    def active(self) -> models.QuerySet[User]:
        return self.filter(is_active=True)

    def reaching_team(self, team_id: int | None) -> models.QuerySet[User]:
        """The active users who may see the conversations of this team, or those without one."""
        if team_id is None:
            return self.active()
        may_see = models.Q(team=team_id) | models.Q(role__in=roles_at_least(Role.SUPERVISOR))
        return self.active().filter(may_see)


class User(AbstractBaseUser):
    email = models.EmailField(_("e-mail"), unique=True)
    full_name = models.CharField(_("nom"), max_length=120)
    role = models.CharField(_("rôle"), max_length=16, choices=ROLE_CHOICES, default=Role.AGENT.value)
    team = models.ForeignKey(
        Team,
        verbose_name=_("équipe"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="members",
    )
    language = models.CharField(
        _("langue"),
        max_length=5,
        choices=Language.choices,
        default=Language.FRENCH,
        db_default=Language.FRENCH.value,
    )
    signature = models.CharField(_("signature"), max_length=200, blank=True, default="", db_default="")
    photo_version = models.PositiveIntegerField(default=0, db_default=0)
    """Part of the photo's URL, so that browsers may cache it; 0 when there is no photo."""
    undo_seconds = models.PositiveSmallIntegerField(
        _("annuler un envoi"),
        choices=UNDO_CHOICES,
        default=DEFAULT_UNDO_SECONDS,
        db_default=DEFAULT_UNDO_SECONDS,
    )
    """How long a message or a closing of this user stays in the outbox, so that it can be undone."""
    list_orders = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    """By tab of the conversation list the order that he chose, where it is not the tab's own (`list_order.py`)."""
    sound = models.CharField(
        _("son"),
        max_length=8,
        blank=True,
        choices=Sound.choices,
        default=Sound.CHIME,
        db_default=Sound.CHIME.value,
    )
    single_keys = models.BooleanField(default=True, db_default=True)
    """Whether a key pressed alone is a shortcut (WCAG 2.1.4: speech input and tremor press keys by mistake)."""
    capacity = models.PositiveSmallIntegerField(
        _("capacité"), default=DEFAULT_CAPACITY, db_default=DEFAULT_CAPACITY
    )
    """How much the user is given by routing, in units: a client is one, unless his queue weighs more."""
    is_active = models.BooleanField(_("actif"), default=True, db_default=True)
    is_demo = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["full_name"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        db_table = "users"
        ordering = (Lower("full_name"), "id")
        constraints = [
            models.UniqueConstraint(Lower("email"), name="one_user_per_email"),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]), name="role_is_on_the_ladder"
            ),
        ]

    def __str__(self) -> str:
        return self.full_name if has_visible_characters(self.full_name) else self.email

    def is_at_least(self, role: Role) -> bool:
        return is_at_least(self.role, role)

    def reachable_conversations(self) -> Any:
        """The conversations this user may see, as a queryset; nothing else decides it (for sockets: `may_see`)."""
        return apps.get_model("conversations", "Conversation").objects.visible_to(self)

    @property
    def sound_file(self) -> str:
        return f"sound/{self.sound}.wav" if self.sound in (Sound.CHIME, Sound.DROP, Sound.WOOD) else ""

    @property
    def is_supervisor(self) -> bool:
        return self.is_at_least(Role.SUPERVISOR)

    @property
    def is_admin(self) -> bool:
        return self.is_at_least(Role.ADMIN)

    @property
    def is_super_admin(self) -> bool:
        return self.is_at_least(Role.SUPER_ADMIN)

    @transaction.atomic
    def set_list_order(self, tab: str, order: str) -> None:
        locked = User.objects.select_for_update().get(pk=self.pk)
        self.list_orders = {**locked.list_orders, tab: order}
        User.objects.filter(pk=self.pk).update(list_orders=self.list_orders)

    @transaction.atomic
    def change_role(self, role: str) -> None:
        if role != Role.SUPER_ADMIN:
            self._require_another_super_admin()
        User.objects.filter(pk=self.pk).update(role=role)
        self.role = role

    def _require_another_super_admin(self) -> None:
        """Lock all super admins in order, so that two cannot remove each other at once. Raises LastSuperAdmin."""
        active = User.objects.active().filter(role=Role.SUPER_ADMIN).order_by("pk")
        if set(active.select_for_update(no_key=True).values_list("pk", flat=True)) == {self.pk}:
            raise LastSuperAdmin

    @transaction.atomic
    def deactivate(self, *, by: User | None, at: Any) -> None:
        """Forbid sign-in and send `user_deactivated`, on which the conversations release what he held."""
        self._require_another_super_admin()
        if User.objects.filter(pk=self.pk, is_active=True).update(is_active=False):
            self.is_active = False
            user_deactivated.send(User, user=self, by=by, at=at)

    def reactivate(self) -> None:
        User.objects.filter(pk=self.pk).update(is_active=True)
        self.is_active = True


class UserPhoto(models.Model):
    """The photo of a user, in a table of its own: the users' row is read with each request."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="photo")
    image = models.BinaryField()
    """WebP, square, as `photos.py` makes it."""

    class Meta:
        db_table = "user_photos"

    def __str__(self) -> str:
        return f"photo of {self.user_id}"


class TokenState(StrEnum):
    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class TokenRefused(Exception):
    """An expired or revoked token. The message is a translated sentence for whoever runs the program."""

    SENTENCES: ClassVar = {
        TokenState.EXPIRED: _("Ce jeton a expiré. Créez-en un autre par « relais token create »."),
        TokenState.REVOKED: _("Ce jeton a été révoqué. Créez-en un autre par « relais token create »."),
    }

    def __init__(self, state: TokenState) -> None:
        self.state = state
        super().__init__(self.SENTENCES[state])

    def __str__(self) -> str:
        return str(self.args[0])


class ApiToken(models.Model):
    """A bearer token of a program. Only its hash is stored; the token itself is shown once."""

    name = models.CharField(max_length=80)
    hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "api_tokens"

    @classmethod
    def create(cls, name: str, *, expires_at: datetime | None = None) -> tuple[ApiToken, str]:
        token = new_token()
        return cls.objects.create(name=name, hash=cls.hash_token(token), expires_at=expires_at), token

    @classmethod
    def authenticate(cls, token: str, *, at: datetime) -> ApiToken | None:
        """The valid token with this text, or None. Raises TokenRefused when it is expired or revoked."""
        api_token = cls.objects.filter(hash=cls.hash_token(token)).first() if token else None
        if api_token and api_token.state(at=at) != TokenState.VALID:
            raise TokenRefused(api_token.state(at=at))
        return api_token

    def state(self, *, at: datetime) -> TokenState:
        if self.revoked_at:
            return TokenState.REVOKED
        return TokenState.EXPIRED if self.expires_at and self.expires_at <= at else TokenState.VALID

    def revoke(self, *, at: datetime) -> bool:
        """Idempotent. True when it was not revoked before."""
        return bool(ApiToken.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=at))

    def record_use(self, *, at: datetime) -> None:
        """Update `last_used_at`, at most once a minute: a busy program would otherwise write the row at each call."""
        if self.last_used_at is None or self.last_used_at < at - LAST_USED_PRECISION:
            ApiToken.objects.filter(pk=self.pk).update(last_used_at=at)
            self.last_used_at = at

    @staticmethod
    def hash_token(token: str) -> str:
        return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


class SignInFailure(models.Model):
    """A failed sign-in of the last minutes; `login_throttle.py` counts them."""

    account = models.CharField(max_length=64)
    """A hash of the e-mail: people type passwords into that field."""
    address = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "sign_in_failures"
        indexes = [
            models.Index(fields=["address", "at"], name="sign_in_failures_by_address"),
            models.Index(fields=["account", "at"], name="sign_in_failures_by_account"),
            models.Index(fields=["at"], name="sign_in_failures_by_time"),
        ]

    def __str__(self) -> str:
        return f"failure from {self.address}"
