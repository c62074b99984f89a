"""What templates need to show names, durations and moments."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from zlib import crc32

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from lucide.templatetags import lucide as icons

from relais.company.company_settings import BRAND_PLACEHOLDER
from relais.web import times

register = template.Library()
TINTS = 8


@register.filter
def initials(name: object) -> str:
    """The first letters of the first and the last word; of a number, its last two digits."""
    words = str(name or "").split()
    letters = [word[0] for word in words if word[0].isalpha()]
    if letters:
        return (letters[0] + letters[-1] if len(letters) > 1 else letters[0]).upper()
    digits = [sign for sign in str(name or "") if sign.isdigit()]
    return "".join(digits[-2:]) or "?"


@register.filter
def tint(name: object) -> int:
    """Which of the avatar's colours a name has, always the same."""
    return crc32(str(name or "").encode("utf-8", "replace")) % TINTS


@register.simple_tag
def avatar(name: object, size: str = "") -> SafeString:
    """A circle with initials; `size` is empty, `small` or `large`. Decoration: the name stands beside it."""
    extra = f" avatar--{size}" if size else ""
    return format_html(
        '<span class="avatar{}" data-tint="{}" aria-hidden="true">{}</span>',
        extra,
        tint(name),
        initials(name),
    )


@register.simple_tag
@lru_cache(maxsize=1_000)
def lucide(name: str, *, size: int | None = 24, **attributes: object) -> str:
    """The library's tag, each icon drawn once: it parses and writes XML, a third of the time of a list."""
    return icons.lucide(name, size=size, **attributes)


@register.filter
def duration(length: timedelta | float | None) -> str:
    return "" if length is None else times.duration(length)


@register.simple_tag
def moment(at: datetime | None, kind: str = "moment") -> SafeString | str:
    """A time in the reader's zone, as far as his browser has named it; `times.js` keeps it up to date."""
    if at is None:
        return ""
    shown = times.in_words(at, kind, now=timezone.now())
    return format_html('<time datetime="{}" data-time="{}">{}</time>', at.isoformat(), kind, shown)


@register.filter
def in_the_name_of(text: object, brand: object) -> str:
    """A text of the company's as the client reads it."""
    return str(text or "").replace(BRAND_PLACEHOLDER, str(brand or ""))
