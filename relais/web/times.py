"""Moments in words, in the reader's zone: the same words as `times.js` writes, so that nothing changes when it runs."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import get_language, gettext

ZONE_COOKIE = "relais_time_zone"
"""Set by `theme.js`, which runs on every page."""
ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)
ONE_MINUTE = timedelta(minutes=1)
ONE_HOUR = timedelta(hours=1)
DAYS_OF_A_WEEK = range(2, 7)

# A weekday, a day of this year (short, long) and of another one.
PATTERNS = {
    "fr": ("EEEE", "d MMM", "EEEE d MMMM", "d MMMM y"),
    "en": ("EEEE", "MMM d", "EEEE, MMMM d", "MMMM d, y"),
}


@lru_cache(maxsize=1_000)
def zone_named(name: str) -> ZoneInfo | None:
    """The zone a browser names, or None: a cookie can hold anything."""
    if not ZONE_NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # no such file; a folder; no zone in it
        return None


def duration(length: timedelta | float) -> str:
    """« 4 min », « 1 h 10 », « 2 j 3 h ». Takes seconds or a timedelta."""
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
    return gettext("%(days)s j %(hours)s h") % {"days": days, "hours": hours}


def in_words(at: datetime, kind: str, *, now: datetime) -> str:
    """`kind` is one of those of `times.js`: clock, age, since, until, ago, day, moment, at."""
    passed = now - at
    here, today = timezone.localtime(at), timezone.localdate(now)
    clock, is_today = here.strftime("%H:%M"), here.date() == today
    if kind == "clock":
        return clock
    if kind == "age" and passed < ONE_MINUTE:
        return f"{max(0, int(passed.total_seconds()))} s"
    if kind in ("age", "since") or (kind == "ago" and passed < ONE_HOUR):
        return duration(passed)
    if kind == "until":
        return duration(-passed)
    if kind == "day":
        words = _day(here.date(), today, long=True)
        return words[:1].upper() + words[1:]
    if is_today:
        return gettext("à %(clock)s") % {"clock": clock} if kind == "at" else clock
    words = _day(here.date(), today, long=False)
    if kind == "at":
        return _in_a_sentence(words, clock, (today - here.date()).days)
    return words if kind == "ago" else f"{words} {clock}"


def _in_a_sentence(day: str, clock: str, days_ago: int) -> str:
    """« hier à 19:32 », « lundi à 19:32 », « le 3 mars à 19:32 »."""
    has_a_name = days_ago == 1 or days_ago in DAYS_OF_A_WEEK
    sentence = gettext("%(day)s à %(clock)s") if has_a_name else gettext("le %(day)s à %(clock)s")
    return sentence % {"day": day, "clock": clock}


def _day(day: date, today: date, *, long: bool) -> str:
    days_ago = (today - day).days
    if days_ago == 0:
        return gettext("aujourd’hui")
    if days_ago == 1:
        return gettext("hier")
    language = get_language() or "fr"
    weekday, short, full, with_year = PATTERNS.get(language, PATTERNS["fr"])
    if days_ago in DAYS_OF_A_WEEK:
        pattern = full if long else weekday
    elif day.year == today.year:
        pattern = full if long else short
    else:
        pattern = with_year
    from babel.dates import format_date  # Large, and no start writes a date.

    return str(format_date(day, pattern, locale=language))
