"""Which users have a page open: a lease per user and web process, written by `user_presence.py`."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class PresenceLease(models.Model):
    """Until when a user is there as far as one process knows. Of several rows of a user the latest counts."""

    # No foreign key: this room knows users by their ids alone. A row of a user who is gone harms nothing.
    user_id = models.BigIntegerField()
    process = models.CharField(max_length=32)
    until = models.DateTimeField()
    """A moment ahead while a page is open, so that it expires with its process; the moment it closed afterwards."""
    active_at = models.DateTimeField()
    """When the user last used one of his pages: a click, a key."""

    class Meta:
        db_table = "presence_leases"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user_id", "process"], name="one_presence_lease_per_process"),
        ]

    def __str__(self) -> str:
        return f"presence of user {self.user_id}"
