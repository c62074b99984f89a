"""The Retry-After header of an HTTP answer: a number of seconds, or a date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_SECONDS = 300.0


def retry_after_seconds(headers: Mapping[str, str] | None, *, now: datetime) -> float | None:
    """Seconds to wait. None when the header is absent, unreadable or asks for no pause: the caller backs off by itself.

    A date is compared with the answer's own Date, so that this machine's clock does not matter where there is one.
    """
    given = _value(headers, "retry-after")
    try:
        seconds = float(given)
    except ValueError:
        until = _http_date(given)
        if until is None:
            return None
        seconds = (until - (_http_date(_value(headers, "date")) or now)).total_seconds()
    # Written so that NaN fails it.
    return min(MAX_RETRY_AFTER_SECONDS, seconds) if seconds > 0 else None


def _value(headers: Mapping[str, str] | None, name: str) -> str:
    """By any case: Twilio's SDK hands the headers on as they came, in whatever mapping."""
    return next((str(value).strip() for key, value in (headers or {}).items() if key.lower() == name), "")


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
