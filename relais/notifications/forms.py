"""The form of a user's own notification settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext_lazy as _

from relais.notifications.models import NotificationPreferences
from relais.notifications.notification_kinds import NotificationChannel, NotificationKind
from relais.web.times import format_time

OFF, KEEP, UNLIMITED = "", "keep", "unlimited"
PAUSES = {"30": timedelta(minutes=30), "60": timedelta(hours=1), "240": timedelta(hours=4)}
PAUSE_CHOICES = [
    (OFF, _("Non : me prévenir")),
    ("30", _("Pendant 30 minutes")),
    ("60", _("Pendant 1 heure")),
    ("240", _("Pendant 4 heures")),
    (UNLIMITED, _("Jusqu'à ce que je l'arrête")),
]


@dataclass(frozen=True)
class PreferenceRow:
    """A row of the matrix."""

    label: Any
    boxes: list[BoundField]


class PreferencesForm(forms.Form):
    """One checkbox for each kind and channel, quiet hours, and what a notification may show."""

    pause = forms.ChoiceField(label=_("Ne pas déranger"), choices=PAUSE_CHOICES, required=False)
    quiet_from = forms.TimeField(
        label=_("De"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    quiet_until = forms.TimeField(
        label=_("à"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    shows_text = forms.BooleanField(
        label=_("Texte du message dans les notifications"),
        required=False,
        help_text=_(
            "Sans cela, une notification dit qui écrit, mais pas quoi : un écran verrouillé la montre aussi."
        ),
    )

    def __init__(self, data: Any = None, *, preferences: NotificationPreferences, at: datetime) -> None:
        self.preferences, self.at = preferences, at
        super().__init__(data, initial=self._initial())
        for kind in NotificationKind:
            for channel in NotificationChannel:
                self.fields[_box(kind, channel)] = forms.BooleanField(
                    label=channel.label,
                    required=False,
                    initial=channel in preferences.chosen_channels(kind),
                    widget=forms.CheckboxInput(attrs={"aria-label": f"{kind.label} : {channel.label}"}),
                )
        if self._current_pause() == KEEP and (ends_at := preferences.do_not_disturb_until):
            until = format_time(ends_at, "moment", now=at)
            choice = (KEEP, _("Jusqu'à : %(time)s") % {"time": until})
            self.fields["pause"].choices = [choice, *PAUSE_CHOICES]  # type: ignore[attr-defined]

    def _initial(self) -> dict[str, Any]:
        own = self.preferences
        return {
            "pause": self._current_pause(),
            "quiet_from": own.quiet_from,
            "quiet_until": own.quiet_until,
            "shows_text": own.shows_text,
        }

    def _current_pause(self) -> str:
        if not self.preferences.is_do_not_disturb(at=self.at):
            return OFF
        return KEEP if self.preferences.do_not_disturb_until else UNLIMITED

    def rows(self) -> Iterator[PreferenceRow]:
        for kind in NotificationKind:
            yield PreferenceRow(kind.label, [self[_box(kind, channel)] for channel in NotificationChannel])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        ends = [cleaned.get("quiet_from"), cleaned.get("quiet_until")]
        if any(ends) and not all(ends) and not self.errors:
            self.add_error("quiet_until", _("Donnez le début et la fin, ou aucun des deux."))
        return cleaned

    def save(self, *, time_zone: str) -> None:
        cleaned, own = self.cleaned_data, self.preferences
        own.channels = {
            kind.value: [channel.value for channel in NotificationChannel if cleaned[_box(kind, channel)]]
            for kind in NotificationKind
        }
        own.shows_text = cleaned["shows_text"]
        own.quiet_from, own.quiet_until = cleaned["quiet_from"], cleaned["quiet_until"]
        own.time_zone = time_zone
        if cleaned["pause"] != KEEP:
            own.do_not_disturb = cleaned["pause"] != OFF
            own.do_not_disturb_until = (
                self.at + PAUSES[cleaned["pause"]] if cleaned["pause"] in PAUSES else None
            )
        own.save()


def _box(kind: NotificationKind, channel: NotificationChannel) -> str:
    return f"{kind.value}-{channel.value}"
