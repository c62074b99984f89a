"""Template tags: avatars, icons, durations and times."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zlib import crc32

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from lucide.templatetags import lucide as icons

from relais.company.company_settings import BRAND_PLACEHOLDER
from relais.web import language_tags, times

register = template.Library()
TINT_COUNT = 8
MIRRORED_ICONS = frozenset(
    {
        "arrow-left",
        "arrow-right",
        "chevron-left",
        "chevron-right",
        "corner-down-left",
        "corner-down-right",
        "corner-up-left",
        "corner-up-right",
        "forward",
        "log-in",
        "log-out",
        "panel-left",
        "panel-right",
        "redo-2",
        "reply",
        "send",
        "send-horizontal",
        "undo-2",
    }
)
"""Icons that point along the line, mirrored by CSS from right to left. Ticks and media controls are not."""
MIRROR_CLASS = "mirror-rtl"


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
    """The number of the avatar's colour: a hash of the name, always the same."""
    return crc32(str(name or "").encode("utf-8", "replace")) % TINT_COUNT


@register.simple_tag
def avatar(name: object, size: str = "") -> SafeString:
    """A circle with initials; `size` is empty, `small` or `large`. Hidden from screen readers."""
    extra = f" avatar--{size}" if size else ""
    return format_html(
        '<span class="avatar{}" data-tint="{}" aria-hidden="true">{}</span>',
        extra,
        tint(name),
        initials(name),
    )


@register.simple_tag
def user_avatar(user: Any, size: str = "") -> SafeString:
    """The user's photo, else initials."""
    if not user.photo_version:
        return avatar(user, size)
    extra = f" avatar--{size}" if size else ""
    url = f"{reverse('user_photo', args=[user.pk])}?v={user.photo_version}"
    return format_html('<img class="avatar{}" src="{}" alt="" width="36" height="36">', extra, url)


@register.simple_tag
@lru_cache(maxsize=1_000)
def lucide(name: str, *, size: int | None = 24, **attributes: object) -> str:
    """The library's tag, cached: it parses and writes XML, which took a third of the time of a list page."""
    if name in MIRRORED_ICONS:
        attributes["class"] = f"{attributes.get('class', '')} {MIRROR_CLASS}".strip()
    return icons.lucide(name, size=size, **attributes)


@register.filter
def language_tag(language: str) -> str:
    return language_tags.language_tag(language)


@register.filter
def duration(length: timedelta | float | None) -> str:
    return "" if length is None else times.format_duration(length)


@register.simple_tag
def moment(at: datetime | None, kind: str = "moment") -> SafeString | str:
    """A time in the time zone of the browser's cookie; `times.js` keeps it up to date."""
    if at is None:
        return ""
    shown = times.format_time(at, kind, now=timezone.now())
    return format_html('<time datetime="{}" data-time="{}">{}</time>', at.isoformat(), kind, shown)


@register.filter
def insert_brand(text: object, brand: object) -> str:
    """A text of the company as the client reads it, with the brand inserted."""
    return str(text or "").replace(BRAND_PLACEHOLDER, str(brand or ""))
