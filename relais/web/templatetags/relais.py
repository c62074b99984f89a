"""What templates need to show names, durations and moments."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from zlib import crc32

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from lucide.templatetags import lucide as icons

from relais.company.words import BRAND_MARK

register = template.Library()
TINTS = 8
ONE_MINUTE = timedelta(minutes=1)


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
    """« 4 min », « 1 h 10 », « 2 j 3 h »; the same as `times.js` shows. Takes seconds or a timedelta."""
    if length is None:
        return ""
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    minutes = max(0, int(seconds // 60))
    if minutes < 1:
        return "< 1 min"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02}"
    days, hours = divmod(hours, 24)
    return _("%(days)s j %(hours)s h") % {"days": days, "hours": hours}


@register.simple_tag
def moment(at: datetime | None, kind: str = "moment") -> SafeString | str:
    """A time the page shows in the reader's zone; until then, and without scripts, in the company's."""
    if at is None:
        return ""
    if kind == "age":
        passed = timezone.now() - at
        shown = duration(passed) if passed >= ONE_MINUTE else f"{max(0, int(passed.total_seconds()))} s"
    else:
        form = "H:i" if kind == "clock" else "j F Y" if kind == "day" else "j M H:i"
        shown = date_format(timezone.localtime(at), form)
    return format_html('<time datetime="{}" data-time="{}">{}</time>', at.isoformat(), kind, shown)


@register.filter
def in_the_name_of(text: object, brand: object) -> str:
    """A text of the company's as the client reads it."""
    return str(text or "").replace(BRAND_MARK, str(brand or ""))
