"""For whom a quick reply or a macro is."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    MINE = "mine", _("Moi seul")
    TEAM = "team", _("Équipe")
    ALL = "all", _("Tout le monde")
