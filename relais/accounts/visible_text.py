"""A form validator against texts without a visible character, for the forms of every room."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from relais.text import has_visible_characters


def validate_visible(text: str) -> None:
    """Raises ValidationError when the text has no visible character."""
    if not has_visible_characters(text):
        raise ValidationError(_("Ce texte ne contient aucun signe visible."), code="invisible")
