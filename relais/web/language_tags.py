"""The tags of languages towards browsers and Babel: both format dates and numbers by region."""

from __future__ import annotations

from django.utils.translation import get_language

REGIONAL_TAGS = {"ar": "ar-MA"}
"""Months and separators differ by region: « 5 غشت » and 12.345,6 in Morocco, « 5 أغسطس » and 12,345.6 for `ar`."""


def language_tag(language: str | None = None) -> str:
    """The BCP 47 tag of `language`, by default of the active one."""
    code = language or get_language() or "fr"
    return REGIONAL_TAGS.get(code, code)


def babel_locale(language: str | None = None) -> str:
    return language_tag(language).replace("-", "_")
