"""The states of agents, and what caused a change of state."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class State(models.TextChoices):
    ONLINE = "online", pgettext_lazy("agent", "En ligne")
    AWAY = "away", pgettext_lazy("agent", "Absent")
    BREAK = "break", _("Pause")
    OFFLINE = "offline", pgettext_lazy("agent", "Hors ligne")


class Cause(models.TextChoices):
    HAND = "hand", _("À la main")
    INACTIVITY = "inactivity", _("Inactivité")
    PRESENCE = "presence", _("Présence")
    """A page was opened, or the last one was closed."""


STATES_WITH_REASON = (State.AWAY, State.BREAK)
