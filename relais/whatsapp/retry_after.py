"""Parses the Retry-After header of an HTTP response: a number of seconds, or a date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_SECONDS = 300.0


def retry_after_seconds(headers: Mapping[str, str] | None, *, now: datetime) -> float | None:
    """Seconds to wait. None when the header is absent, invalid or asks for no pause: the caller uses its own backoff.

    A date is compared with the response's own Date header if there is one, so this machine's clock does not matter.
    """
    value = _value(headers, "retry-after")
    try:
        seconds = float(value)
    except ValueError:
        until = _http_date(value)
        if until is None:
            return None
        seconds = (until - (_http_date(_value(headers, "date")) or now)).total_seconds()
    # This form is false for NaN.
    return min(MAX_RETRY_AFTER_SECONDS, seconds) if seconds > 0 else None


def _value(headers: Mapping[str, str] | None, name: str) -> str:
    """Case-insensitive: Twilio's SDK passes the headers on in whatever mapping it got."""
    return next((str(value).strip() for key, value in (headers or {}).items() if key.lower() == name), "")


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
