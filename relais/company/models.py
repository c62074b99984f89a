from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Setting(models.Model):
    """The value of a setting that differs from its default in `company_settings.py`."""

    key = models.CharField(max_length=40, primary_key=True)
    value = models.JSONField()
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "settings"
