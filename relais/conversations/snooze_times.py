"""The moments that a snooze can be chosen by: « demain matin », « lundi matin », or a date with a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from relais.action_errors import InvalidField
from relais.conversations.states import UNTIL_REPLY

MORNING_HOUR = 9
EVENING_HOUR = 18
CHOICES: dict[str, Any] = {
    "one-hour": gettext_lazy("Dans une heure"),
    "evening": gettext_lazy("Ce soir"),
    "tomorrow": gettext_lazy("Demain matin"),
    "monday": gettext_lazy("Lundi matin"),
}
"""Resolved when they are sent and not when the dialog was opened."""


def parse_until(text: str, *, at: datetime) -> datetime | None:
    """A choice of the dialog, or a date with a time in ISO 8601, without an offset in the reader's time zone.

    None is until the client writes. Raises InvalidField.
    """
    if text == UNTIL_REPLY:
        return None
    if text in CHOICES:
        return choice_time(text, at=at)
    try:
        until = datetime.fromisoformat(text)
        if ":" not in text:
            raise ValueError
        return until if until.tzinfo else timezone.make_aware(until)
    except (ValueError, OverflowError) as error:
        raise InvalidField("until", _("Indiquez une date et une heure.")) from error


def choice_time(choice: str, *, at: datetime) -> datetime:
    local = timezone.localtime(at)
    if choice == "one-hour":
        return at + timedelta(hours=1)
    if choice == "evening":
        return _on_day(local, 0, EVENING_HOUR)
    if choice == "tomorrow":
        return _on_day(local, 1, MORNING_HOUR)
    return _on_day(local, 7 - local.weekday(), MORNING_HOUR)


def _on_day(local: datetime, days: int, hour: int) -> datetime:
    day = (local + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0, tzinfo=None)
    return timezone.make_aware(day)
