"""Back-off before a retry: Twilio's Retry-After header (seconds or a date), else exponential."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from relais.conversations.time_limits import MAX_RETRY_DELAY

MAX_RETRY_AFTER_SECONDS = MAX_RETRY_DELAY.total_seconds()


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


def backoff_seconds(attempt: int) -> float:
    """Exponential backoff before the next attempt: 0.5 s, doubled each time up to 30 s, with jitter so that many
    messages do not retry at the same moment.
    """
    return min(30.0, 0.5 * 2.0 ** min(attempt - 1, 8)) * random.uniform(0.75, 1.25)  # noqa: S311
