"""Times for display, in the reader's time zone: in the same words as `times.js`, to avoid a layout shift."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import get_language, gettext

from relais.web.language_tags import babel_locale

ZONE_COOKIE = "relais_time_zone"
"""Set by `theme.js`, which runs on every page."""
ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)
ONE_MINUTE = timedelta(minutes=1)
ONE_HOUR = timedelta(hours=1)
COUNTDOWN_IN_MINUTES = timedelta(hours=2)
"""A countdown shows whole hours until so much is left."""
WEEKDAY_NAMED_DAYS_AGO = range(2, 7)

# Of the last week, of this year (short, long), and of another year.
PATTERNS = {
    "fr": ("EEEE", "d MMM", "EEEE d MMMM", "d MMMM y"),
    "en": ("EEEE", "MMM d", "EEEE, MMMM d", "MMMM d, y"),
    "ar": ("EEEE", "d MMM", "EEEE، d MMMM", "d MMMM y"),
}


@lru_cache(maxsize=1_000)
def parse_time_zone(name: str) -> ZoneInfo | None:
    """The time zone of a browser's cookie, or None if it is not valid."""
    if not ZONE_NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # no such file, a folder, or not a zone file
        return None


def format_duration(length: timedelta | float) -> str:
    """« 4 min », « 1 h 10 », « 2 j 3 h ». Takes seconds or a timedelta."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    minutes = max(0, int(seconds // 60))
    if minutes < 1:
        return gettext("< 1 min")
    if minutes < 60:
        return gettext("%(minutes)s min") % {"minutes": minutes}
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return gettext("%(hours)s h %(minutes)s") % {"hours": hours, "minutes": f"{minutes:02}"}
    days, hours = divmod(hours, 24)
    return gettext("%(days)s j %(hours)s h") % {"days": days, "hours": hours}


def format_countdown(remaining: timedelta) -> str:
    """« 5 h », and under two hours « 1 h 10 », « 4 min »."""
    if remaining < COUNTDOWN_IN_MINUTES:
        return format_duration(remaining)
    return gettext("%(hours)s h") % {"hours": remaining // ONE_HOUR}


def format_seconds(seconds: float) -> str:
    """« 12 s », of less than a minute."""
    return gettext("%(seconds)s s") % {"seconds": max(0, int(seconds))}


def format_time(at: datetime, format_name: str, *, now: datetime) -> str:
    """`format_name` is one of those of `times.js`: clock, age, since, until, countdown, ago, day, moment,
    at."""
    elapsed = now - at
    local, today = timezone.localtime(at), timezone.localdate(now)
    clock, is_today = local.strftime("%H:%M"), local.date() == today
    if format_name == "clock":
        return clock
    if format_name == "age" and elapsed < ONE_MINUTE:
        return format_seconds(elapsed.total_seconds())
    if format_name in ("age", "since") or (format_name == "ago" and elapsed < ONE_HOUR):
        return format_duration(elapsed)
    if format_name == "until":
        return format_duration(-elapsed)
    if format_name == "countdown":
        return format_countdown(-elapsed)
    if format_name == "day":
        day = _format_day(local.date(), today, long=True)
        return day[:1].upper() + day[1:]
    if is_today:
        return gettext("à %(clock)s") % {"clock": clock} if format_name == "at" else clock
    day = _format_day(local.date(), today, long=False)
    if format_name == "at":
        return _in_sentence(day, clock, (today - local.date()).days)
    return day if format_name == "ago" else f"{day} {clock}"


def _in_sentence(day: str, clock: str, days_ago: int) -> str:
    """« hier à 19:32 », « lundi à 19:32 », « le 3 mars à 19:32 »."""
    has_name = days_ago == 1 or days_ago in WEEKDAY_NAMED_DAYS_AGO
    sentence = gettext("%(day)s à %(clock)s") if has_name else gettext("le %(day)s à %(clock)s")
    return sentence % {"day": day, "clock": clock}


def _format_day(day: date, today: date, *, long: bool) -> str:
    days_ago = (today - day).days
    if days_ago == 0:
        return gettext("aujourd’hui")
    if days_ago == 1:
        return gettext("hier")
    language = get_language() or "fr"
    weekday, short, full, with_year = PATTERNS.get(language, PATTERNS["fr"])
    if days_ago in WEEKDAY_NAMED_DAYS_AGO:
        pattern = full if long else weekday
    elif day.year == today.year:
        pattern = full if long else short
    else:
        pattern = with_year
    from babel.dates import format_date  # Large, and not needed at startup.

    return str(format_date(day, pattern, locale=babel_locale(language)))
