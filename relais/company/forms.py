"""The forms of the settings page. Fields, headings and bounds are in `company_settings.py`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from relais.accounts import audit
from relais.accounts.models import User
from relais.accounts.visible_text import validate_visible
from relais.company.company_settings import (
    EDITABLE_SETTINGS,
    SETTINGS_SECTIONS,
    SettingDefinition,
    ValueType,
    get_value,
    set_value,
)
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.text import has_visible_characters


def _form_field(definition: SettingDefinition) -> forms.Field:
    options = {"label": definition.label, "help_text": definition.help}
    if definition.value_type is ValueType.BOOLEAN:
        return forms.BooleanField(required=False, **options)
    if definition.value_type in (ValueType.LINES, ValueType.TEXT_LINES):
        textarea = forms.Textarea(attrs={"rows": 2})
        field = LinesField if definition.value_type is ValueType.LINES else TextLinesField
        return field(required=False, max_length=definition.max_characters, widget=textarea, **options)
    if definition.value_type is ValueType.INTEGER:
        return forms.IntegerField(min_value=definition.min_value, max_value=definition.max_value, **options)
    if definition.value_type is ValueType.LONG_TEXT:
        text = forms.Textarea(attrs={"rows": 3})
        return forms.CharField(
            max_length=definition.max_characters, widget=text, validators=[validate_visible], **options
        )
    return forms.CharField(max_length=definition.max_characters, validators=[validate_visible], **options)


class LinesField(forms.CharField):
    """A list of strings, one a line, in lower case."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        return [line.strip().lower() for line in super().clean(value).splitlines() if line.strip()]


class TextLinesField(LinesField):
    """A list of strings, one a line, each once."""

    def clean(self, value: Any) -> list[str]:
        lines = (line.strip() for line in forms.CharField.clean(self, value).splitlines())
        return list(dict.fromkeys(line for line in lines if has_visible_characters(line)))


class SettingsForm(forms.Form):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for definition in EDITABLE_SETTINGS:
            self.fields[definition.key] = _form_field(definition)
            self.initial.setdefault(definition.key, get_value(definition))

    def save(self, *, by: User) -> None:
        for definition in EDITABLE_SETTINGS:
            value = self.cleaned_data[definition.key]
            if value != get_value(definition):
                set_value(definition, value)
                audit.record("setting changed", actor=by.pk, setting=definition.key)

    def sections(self) -> list[tuple[Any, list[tuple[str, forms.BoundField]]]]:
        """Each heading with its fields, as pairs of value type and field."""
        return [
            (section.heading, [(each.value_type.name, self[each.key]) for each in section.definitions])
            for section in SETTINGS_SECTIONS
        ]


class TestMessageForm(forms.Form):
    __test__ = False  # pytest: not a test class

    to = forms.CharField(
        label=_("Numéro"),
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "placeholder": "+212 6…", "autocomplete": "off"}),
    )
    text = forms.CharField(
        label=_("Message"), max_length=MAX_MESSAGE_CHARACTERS, widget=forms.Textarea(attrs={"rows": 2})
    )
