"""URLs in texts that people typed, as links."""

from __future__ import annotations

from django.utils.html import urlize
from django.utils.safestring import SafeString, mark_safe


def linkify(text: str) -> SafeString:
    """The escaped text with its URLs as links. `noreferrer` keeps the desk's own URL from the linked site."""
    html = urlize(text, nofollow=True, autoescape=True)
    # The client's text is escaped, including quotes: only the links that `urlize` made can match.
    return mark_safe(html.replace('rel="nofollow"', 'rel="noopener noreferrer nofollow" target="_blank"'))  # noqa: S308
