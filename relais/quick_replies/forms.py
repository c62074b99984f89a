"""The forms of a quick reply and of a macro. They show fields and errors; the rules are in the models' verbs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from relais.accounts.models import User
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.quick_replies.permissions import editable_targets
from relais.quick_replies.shortcut_items import MAX_SHORTCUT_CHARACTERS, MAX_TITLE_CHARACTERS

FIELDS = ("shortcut", "title", "text", "scope")


class ShortcutForm(forms.Form):
    """What quick replies and macros have in common."""

    shortcut = forms.CharField(
        label=_("Raccourci"),
        max_length=MAX_SHORTCUT_CHARACTERS,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    title = forms.CharField(
        label=_("Titre"),
        max_length=MAX_TITLE_CHARACTERS,
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
    )
    scope = forms.ChoiceField(label=_("Partagée avec"))

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        targets = editable_targets(user)
        self.fields["scope"].choices = [(target.key, target.label) for target in targets]  # type: ignore[attr-defined]
        if len(targets) == 1:
            self.fields["scope"].help_text = _(
                "Un superviseur peut partager avec une équipe ou tout le monde."
            )

    def show_refusal(self, field: str | None, sentence: str) -> None:
        """Show what was typed, with why it was refused; `field` is None where it belongs to none of the fields."""
        self.full_clean()
        self.errors.clear()
        self.add_error(field if field in self.fields else None, sentence)


class QuickReplyForm(ShortcutForm):
    text = forms.CharField(
        label=_("Texte"),
        max_length=MAX_MESSAGE_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 6, "dir": "auto"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Files can go without a text.
        self.fields["text"].required = False
        self.fields["shortcut"].help_text = _(
            "Ce que vous tapez après « / » dans un message, par exemple « rdv »."
        )
        self.fields["title"].required = False
        self.fields["title"].help_text = _("Facultatif : le début du texte à défaut.")
