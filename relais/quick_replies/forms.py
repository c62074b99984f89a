"""The form of one quick reply. It shows fields and errors; the rules are in the model's verbs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from relais.accounts.models import User
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.quick_replies.models import MAX_SHORTCUT_CHARACTERS, MAX_TITLE_CHARACTERS
from relais.quick_replies.permissions import editable_targets

FIELDS = ("shortcut", "title", "text", "scope")


class QuickReplyForm(forms.Form):
    shortcut = forms.CharField(
        label=_("Raccourci"),
        help_text=_("Ce que vous tapez après « / » dans un message, par exemple « rdv »."),
        max_length=MAX_SHORTCUT_CHARACTERS,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    title = forms.CharField(
        label=_("Titre"),
        help_text=_("Facultatif : le début du texte à défaut."),
        required=False,
        max_length=MAX_TITLE_CHARACTERS,
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
    )
    text = forms.CharField(
        label=_("Texte"),
        help_text=_("Des choix s'écrivent un par ligne, avec leur numéro : le client répond par le numéro."),
        max_length=MAX_MESSAGE_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 6, "dir": "auto"}),
    )
    scope = forms.ChoiceField(label=_("Partagée avec"))

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        targets = editable_targets(user)
        self.fields["scope"].choices = [(target.key, target.label) for target in targets]  # type: ignore[attr-defined]
        if len(targets) == 1:
            self.fields["scope"].help_text = _(
                "Un superviseur peut partager une réponse avec une équipe ou avec tout le monde."
            )
