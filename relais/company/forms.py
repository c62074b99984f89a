"""The forms of the settings page. The fields are those of `words.EDITABLE`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from relais.accounts import audit
from relais.accounts.models import User
from relais.accounts.validators import validate_visible
from relais.company.company_settings import EDITABLE, SettingDefinition, get_value, set_value
from relais.text import MAX_MESSAGE_CHARACTERS


def _field(word: SettingDefinition) -> forms.Field:
    shown = {"label": word.label, "help_text": word.help}
    if word.kind is bool:
        return forms.BooleanField(required=False, **shown)
    if word.kind is tuple:
        return Lines(required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2}), **shown)
    if word.kind is int:
        return forms.IntegerField(min_value=1, max_value=24 * 30, **shown)
    if word.kind is list:
        text = forms.Textarea(attrs={"rows": 3})
        return forms.CharField(
            max_length=MAX_MESSAGE_CHARACTERS, widget=text, validators=[validate_visible], **shown
        )
    return forms.CharField(max_length=80, validators=[validate_visible], **shown)


class Lines(forms.CharField):
    """A word a line, in lower case, as a list."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        return [line.strip().lower() for line in super().clean(value).splitlines() if line.strip()]


class WordsForm(forms.Form):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for word in EDITABLE:
            self.fields[word.key] = _field(word)
            self.initial.setdefault(word.key, get_value(word))

    def save(self, *, by: User) -> None:
        for word in EDITABLE:
            value = self.cleaned_data[word.key]
            if value != get_value(word):
                set_value(word, value)
                audit.record("setting changed", actor=by.pk, setting=word.key)

    def texts(self) -> list[forms.BoundField]:
        """What clients are sent, each shown with a preview."""
        return [self[word.key] for word in EDITABLE if word.kind is list]


class TestMessageForm(forms.Form):
    __test__ = False  # not a test of pytest's

    to = forms.CharField(
        label=_("Numéro"),
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "placeholder": "+212 6…", "autocomplete": "off"}),
    )
    text = forms.CharField(
        label=_("Message"), max_length=MAX_MESSAGE_CHARACTERS, widget=forms.Textarea(attrs={"rows": 2})
    )
