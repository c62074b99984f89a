"""How far Twilio's log of messages was compared with what stands here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Q

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object

LEASE = timedelta(minutes=2)
"""How long a reader is believed to be at work without a word from it; Twilio answers a page within 15 seconds."""


class LogReading(models.Model):
    """The reading of the log of one of our numbers. Two looks, each by one process at a time: `near` and `back`."""

    sender = models.TextField(primary_key=True)
    account = models.TextField()
    connected_at = models.DateTimeField()
    """What was written before was never meant for this desk."""
    called_at = models.DateTimeField(null=True)
    """When Twilio is first known to have brought a message by itself."""
    completed_until = models.DateTimeField(null=True)
    """Everything written before is here, as far as the log told it."""
    near_until = models.DateTimeField(null=True)
    back_until = models.DateTimeField(null=True)
    """The leases of the two looks; null when nobody reads."""
    looked_back_at = models.DateTimeField(null=True)
    looked_far_back_at = models.DateTimeField(null=True)
    last_run_at = models.DateTimeField(null=True)
    last_ok_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="", db_default="")
    """The French sentence, to be translated where it is shown; empty when the last near look read to the end."""
    back_error = models.TextField(default="", db_default="")
    """The same of the last look back: the minute's look, when it goes well, says nothing about the day."""
    missing = models.IntegerField(db_default=0)
    """Messages of clients that the last look found and that had never reached us; of what it read, if it broke off."""
    left = models.IntegerField(db_default=0)
    """How many of them could not be taken in yet."""
    compared = models.IntegerField(db_default=0)
    """Messages of the log that the last near look went through."""
    foreign = models.IntegerField(db_default=0)
    """Messages from our number, in the last look, that did not leave from here."""
    recovered = models.BigIntegerField(db_default=0)
    statuses = models.BigIntegerField(db_default=0)
    overheard = models.BigIntegerField(db_default=0)
    """All there ever were: messages taken in, states caught up with, words of a bot at Twilio written down."""

    class Meta(TypedModelMeta):
        db_table = "log_readings"

    def __str__(self) -> str:
        return f"the log of {self.sender}"

    @classmethod
    def of(cls, sender: str, *, account: str, since: datetime) -> LogReading:
        """The one of this number; begun anew when it is connected to another account."""
        new: dict[str, Any] = {"account": account, "connected_at": since}
        reading, _made = cls.objects.get_or_create(sender=sender, defaults=new)
        if reading.account != account:
            unknown = (
                dict.fromkeys(TIMES)
                | dict.fromkeys((*COUNTS, *TOTALS), 0)
                | dict.fromkeys(ERRORS.values(), "")
            )
            cls.objects.filter(pk=sender).exclude(account=account).update(**new, **unknown)
            reading.refresh_from_db()
        return reading

    def begin(self, look: str, *, at: datetime) -> datetime | None:
        """Take the look `near` or `back` for this process: its lease, or None while another has it."""
        lease = at + LEASE
        free = Q(**{f"{look}_until": None}) | Q(**{f"{look}_until__lt": at})
        # A clock that was set back must not lock everyone out.
        free |= Q(**{f"{look}_until__gt": lease})
        taken = self._mine().filter(free).update(**{f"{look}_until": lease}, last_run_at=at)
        return lease if taken else None

    def go_on(self, look: str, lease: datetime, *, at: datetime) -> datetime | None:
        """Still at it. None when the lease was lost to another process meanwhile."""
        longer = at + LEASE
        kept = self._mine().filter(**{f"{look}_until": lease}).update(**{f"{look}_until": longer})
        return longer if kept else None

    def end(self, look: str, lease: datetime, **found: Any) -> None:
        """Give the lease back and note what was found; totals grow."""
        grown = {name: F(name) + found.pop(name) for name in TOTALS if name in found}
        self._mine().filter(**{f"{look}_until": lease}).update(**{f"{look}_until": None}, **grown, **found)

    def _mine(self) -> models.QuerySet[LogReading]:
        return LogReading.objects.filter(pk=self.pk, account=self.account)


ERRORS = {"near": "last_error", "back": "back_error"}
"""Where each look notes why it did not read to the end."""
LEASES = ("near_until", "back_until")
TIMES = (
    *LEASES,
    "called_at",
    "completed_until",
    "looked_back_at",
    "looked_far_back_at",
    "last_run_at",
    "last_ok_at",
)
COUNTS = ("missing", "left", "foreign", "compared")
TOTALS = ("recovered", "statuses", "overheard")
