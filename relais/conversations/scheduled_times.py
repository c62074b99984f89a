"""When a scheduled message leaves: the time that a program or a form sends, and which times are accepted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from relais.action_errors import InvalidField
from relais.conversations.snooze_times import CHOICES, choice_time

MAX_SCHEDULE = timedelta(days=366)


def parse_send_at(text: str) -> datetime:
    """A date with a time and an offset, in ISO 8601. Raises InvalidField."""
    try:
        send_at = datetime.fromisoformat(text.strip())
        if send_at.tzinfo is None or ":" not in text:
            raise ValueError
        return send_at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidField(
            "send_at_invalid",
            _(
                "Indiquez une date et une heure en ISO 8601 avec leur décalage, par exemple "
                "2026-03-02T09:00:00+01:00."
            ),
        ) from error


def parse_form_time(choice: str, local: str, *, at: datetime) -> datetime:
    """One of CHOICES, or the value of a `datetime-local` field, in the reader's time zone. Raises InvalidField."""
    if choice in CHOICES:
        return choice_time(choice, at=at)
    try:
        naive = datetime.fromisoformat(local.strip())
        if naive.tzinfo is not None or ":" not in local:
            raise ValueError
        aware = timezone.make_aware(naive)
        exists = timezone.localtime(aware.astimezone(UTC)).replace(tzinfo=None) == naive
    except (ValueError, OverflowError) as error:
        raise InvalidField("send_at_invalid", _("Indiquez une date et une heure.")) from error
    if not exists:
        raise InvalidField(
            "send_at_invalid",
            _("Cette heure n'existe pas ce jour-là : les horloges avancent. Choisissez-en une autre."),
        )
    return aware.astimezone(UTC)


def check_send_at(send_at: datetime, *, at: datetime) -> None:
    if send_at <= at:
        raise InvalidField("send_at_past", _("Ce moment est passé. Choisissez-en un à venir."))
    if send_at > at + MAX_SCHEDULE:
        raise InvalidField("send_at_too_far", _("C'est trop loin : choisissez un moment d'ici un an."))
