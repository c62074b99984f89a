"""Forms of the users' pages, and allauth's password reset forms, which must not reveal whether an account exists."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.forms import ResetPasswordForm, UserTokenForm
from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from relais.accounts import audit
from relais.accounts.backends import may_sign_in
from relais.accounts.models import DEFAULT_CAPACITY, MAX_CAPACITY, ROLE_CHOICES, Language, Team, User
from relais.accounts.photos import MAX_UPLOAD_BYTES, set_photo, square_photo
from relais.accounts.roles import Role
from relais.accounts.tasks import send_password_reset
from relais.accounts.visible_text import validate_visible


class UserForm(forms.Form):
    """Name, role and team of a user. The team is an existing one, or created by its name."""

    full_name = forms.CharField(label=_("Nom"), max_length=120, validators=[validate_visible])
    role = forms.ChoiceField(label=_("Rôle"), choices=ROLE_CHOICES)
    team = forms.ModelChoiceField(
        label=_("Équipe"), queryset=Team.objects.all(), required=False, empty_label=_("Aucune équipe")
    )
    new_team = forms.CharField(
        label=_("Nouvelle équipe"), max_length=80, required=False, validators=[validate_visible]
    )

    capacity = forms.IntegerField(
        label=_("Capacité"),
        min_value=0,
        max_value=MAX_CAPACITY,
        required=False,
        help_text=_("Combien de clients lui sont attribués au plus. 0 : aucun."),
    )

    def clean_new_team(self) -> str:
        return " ".join(self.cleaned_data["new_team"].split())

    def chosen_team(self, *, by: User) -> Team | None:
        name = self.cleaned_data["new_team"]
        if not name:
            return self.cleaned_data["team"]
        return Team.objects.filter(name__iexact=name).first() or self._create_team(name, by)

    @staticmethod
    def _create_team(name: str, by: User) -> Team:
        team = Team.objects.create(name=name)
        audit.record("team created", actor=by.pk, team=team.pk)
        return team

    def save(self, user: User, *, by: User) -> None:
        """Raises LastSuperAdmin."""
        role, full_name = self.cleaned_data["role"], self.cleaned_data["full_name"]
        team = self.chosen_team(by=by)
        if role != user.role:
            user.change_role(role)
            audit.record("role changed", actor=by.pk, user=user.pk, role=role)
        if team != user.team:
            audit.record("team changed", actor=by.pk, user=user.pk, team=team.pk if team else "none")
        if full_name != user.full_name:
            audit.record("name changed", actor=by.pk, user=user.pk)
        capacity = self.chosen_capacity(user.capacity)
        if capacity != user.capacity:
            audit.record("capacity changed", actor=by.pk, user=user.pk, capacity=capacity)
        User.objects.filter(pk=user.pk).update(full_name=full_name, team=team, capacity=capacity)

    def chosen_capacity(self, current: int = DEFAULT_CAPACITY) -> int:
        """The current one if the field is empty."""
        capacity: int | None = self.cleaned_data["capacity"]
        return current if capacity is None else capacity


class InvitationForm(UserForm):
    email = forms.EmailField(label=_("E-mail"), max_length=254)
    language = forms.ChoiceField(label=_("Langue"), choices=Language.choices, initial=Language.FRENCH)
    field_order = ("full_name", "email", "role", "language", "team", "new_team", "capacity")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].initial = Role.AGENT
        self.fields["capacity"].initial = DEFAULT_CAPACITY

    def clean_email(self) -> str:
        email = User.objects.canonical_email(self.cleaned_data["email"])
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError(_("Cette adresse a déjà un compte."))
        return email

    def invite(self, *, by: User) -> User:
        fields = self.cleaned_data
        user = User.objects.create_user(
            fields["email"],
            full_name=fields["full_name"],
            role=fields["role"],
            language=fields["language"],
            team=self.chosen_team(by=by),
            capacity=self.chosen_capacity(),
        )
        audit.record("user created", actor=by.pk, user=user.pk, role=user.role)
        return user


class ProfileForm(forms.ModelForm):
    """What a user may change of his own account."""

    photo = forms.FileField(
        label=_("Photo"), required=False, help_text=_("JPEG, PNG, WebP ou GIF, 5 Mo au plus.")
    )
    remove_photo = forms.BooleanField(label=_("Retirer la photo"), required=False)

    class Meta:
        model = User
        fields = ("full_name", "language", "signature", "undo_seconds", "sound", "single_keys")
        labels: ClassVar = {
            "undo_seconds": _("Annuler un envoi ou une clôture"),
            "sound": _("Son des notifications"),
            "single_keys": _("Raccourcis d'une seule touche"),
        }
        help_texts: ClassVar = {
            "signature": _("Le nom {signature} la reprend dans les réponses rapides."),
            "undo_seconds": _("Le message part après ce délai ; jusque-là, rien n'a quitté Relais."),
            "single_keys": _(
                "Sans eux, une touche pressée par erreur ou par la dictée ne fait rien ; Ctrl K et Alt ↓ restent."
            ),
        }

    def clean_full_name(self) -> str:
        name: str = self.cleaned_data["full_name"]
        validate_visible(name)
        return name

    def clean_photo(self) -> bytes | None:
        upload = self.cleaned_data["photo"]
        if not upload:
            return None
        if upload.size > MAX_UPLOAD_BYTES:
            raise forms.ValidationError(_("Cette photo dépasse 5 Mo. Choisissez-en une plus petite."))
        return square_photo(upload)

    def save(self, commit: bool = True) -> User:
        if "full_name" in self.changed_data:
            audit.record("name changed", actor=self.instance.pk, user=self.instance.pk)
        user = super().save(commit=False)
        user.save(update_fields=self._meta.fields)
        if photo := self.cleaned_data["photo"]:
            set_photo(user, photo)
        elif self.cleaned_data["remove_photo"]:
            set_photo(user, None)
        return user


class PasswordResetForm(ResetPasswordForm):
    """The same response and work for every address: the e-mail is sent by a job, deferred for unknown addresses too."""

    def clean_email(self) -> str:
        return User.objects.canonical_email(self.cleaned_data["email"])

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email: str = self.cleaned_data["email"]
        user_id = User.objects.active().filter(email=email).values_list("pk", flat=True).first()
        send_password_reset.defer(user_id=user_id)
        return email


class PasswordResetTokenForm(UserTokenForm):
    """A reset link is valid only for users who may sign in."""

    def _get_user(self, uidb36: str) -> User | None:
        user = super()._get_user(uidb36)
        return user if user and user.is_active and may_sign_in(user) else None
