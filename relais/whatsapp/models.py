"""The reconciliation state of each WhatsApp number: its leases, its cursor and its counters."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from relais.conversations.models import Conversation

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object

RECONCILE_LEASE = timedelta(minutes=2)
"""How long a process holds the message log of a number without renewing its lease. Twilio answers a page within 15
seconds."""
MIN_TYPING_INTERVAL = timedelta(seconds=20)
"""Between two typing indicators in one conversation."""


class Poll(StrEnum):
    """The two kinds of poll of the message log. Each has its own lease."""

    RECENT = "near"
    """Each minute: what was written since the last complete poll."""
    BACKLOG = "back"
    """Each hour: the last day or the last week."""


LEASE_FIELDS = {Poll.RECENT: "near_until", Poll.BACKLOG: "back_until"}
ERROR_FIELDS = {Poll.RECENT: "last_error", Poll.BACKLOG: "back_error"}
"""Where each poll stores why it did not read the log to the end."""


class LogReconciliation(models.Model):
    """How far Twilio's message log of one of our numbers is reconciled with the database, and by which process."""

    sender = models.TextField(primary_key=True)
    account = models.TextField()
    connected_at = models.DateTimeField()
    """Messages from before were never meant for this desk."""
    called_at = models.DateTimeField(null=True)
    """When Twilio first delivered a message by a hook, as far as known."""
    completed_until = models.DateTimeField(null=True)
    """The cursor: every message written before is stored here, as far as the log showed it."""
    near_until = models.DateTimeField(null=True)
    back_until = models.DateTimeField(null=True)
    """When the leases of the two polls expire; null while no process holds them."""
    looked_back_at = models.DateTimeField(null=True)
    looked_far_back_at = models.DateTimeField(null=True)
    last_run_at = models.DateTimeField(null=True)
    last_ok_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="", db_default="")
    """French, translated where it is shown; empty when the last recent poll read the log to the end."""
    back_error = models.TextField(default="", db_default="")
    """The same for the last backlog poll: a recent poll that succeeds says nothing about the day before."""
    missing = models.IntegerField(db_default=0)
    """Messages of clients that no hook had delivered, in the last poll; only of what it read, if it was interrupted."""
    left = models.IntegerField(db_default=0)
    """How many of them could not be stored yet."""
    compared = models.IntegerField(db_default=0)
    """Messages of the log that the last recent poll compared."""
    foreign = models.IntegerField(db_default=0)
    """Messages from our number in the last poll that Relais did not send."""
    recovered = models.BigIntegerField(db_default=0)
    statuses = models.BigIntegerField(db_default=0)
    overheard = models.BigIntegerField(db_default=0)
    """Totals: messages recovered, delivery states caught up, messages of a Studio bot recorded."""

    class Meta(TypedModelMeta):
        db_table = "log_readings"

    def __str__(self) -> str:
        return f"reconciliation of {self.sender}"

    @classmethod
    def get_or_create_for(cls, sender: str, *, account: str, since: datetime) -> LogReconciliation:
        """The row of this number, reset when the number is connected to another account."""
        new: dict[str, Any] = {"account": account, "connected_at": since}
        reconciliation, _created = cls.objects.get_or_create(sender=sender, defaults=new)
        if reconciliation.account != account:
            unknown = (
                dict.fromkeys(TIME_FIELDS)
                | dict.fromkeys((*COUNT_FIELDS, *TOTAL_FIELDS), 0)
                | dict.fromkeys(ERROR_FIELDS.values(), "")
            )
            cls.objects.filter(pk=sender).exclude(account=account).update(**new, **unknown)
            reconciliation.refresh_from_db()
        return reconciliation

    def acquire_lease(self, poll: Poll, *, at: datetime) -> datetime | None:
        """Take the lease of `poll` for this process. Return its end, or None while another process holds it."""
        field = LEASE_FIELDS[poll]
        lease_until = at + RECONCILE_LEASE
        is_free = Q(**{field: None}) | Q(**{f"{field}__lt": at})
        # A lease that ends later than any can was written before the clock was set back.
        is_free |= Q(**{f"{field}__gt": lease_until})
        acquired = self._same_account().filter(is_free).update(**{field: lease_until}, last_run_at=at)
        return lease_until if acquired else None

    def renew_lease(self, poll: Poll, lease_until: datetime, *, at: datetime) -> datetime | None:
        """Extend the lease. Return its new end, or None when another process took it meanwhile."""
        field = LEASE_FIELDS[poll]
        renewed_until = at + RECONCILE_LEASE
        renewed = self._same_account().filter(**{field: lease_until}).update(**{field: renewed_until})
        return renewed_until if renewed else None

    def release_lease(self, poll: Poll, lease_until: datetime, **results: Any) -> None:
        """Release the lease and store the results of the poll. Totals are added up."""
        field = LEASE_FIELDS[poll]
        totals = {name: F(name) + results.pop(name) for name in TOTAL_FIELDS if name in results}
        self._same_account().filter(**{field: lease_until}).update(**{field: None}, **totals, **results)

    def _same_account(self) -> models.QuerySet[LogReconciliation]:
        return LogReconciliation.objects.filter(pk=self.pk, account=self.account)


TIME_FIELDS = (
    *LEASE_FIELDS.values(),
    "called_at",
    "completed_until",
    "looked_back_at",
    "looked_far_back_at",
    "last_run_at",
    "last_ok_at",
)
COUNT_FIELDS = ("missing", "left", "foreign", "compared")
TOTAL_FIELDS = ("recovered", "statuses", "overheard")


class ChoiceContent(models.Model):
    """The content at Twilio of one question with its choices: see `outbound/choice_contents.py`."""

    content_hash = models.TextField(primary_key=True)
    content_sid = models.TextField(db_index=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta(TypedModelMeta):
        db_table = "choice_contents"

    def __str__(self) -> str:
        return self.content_sid


class TypingIndicator(models.Model):
    """When the client of a conversation was last shown that somebody writes."""

    conversation = models.OneToOneField(
        Conversation, primary_key=True, on_delete=models.CASCADE, related_name="typing_indicator"
    )
    shown_at = models.DateTimeField()

    class Meta(TypedModelMeta):
        db_table = "typing_indicators"

    def __str__(self) -> str:
        return f"typing indicator of conversation {self.conversation_id}"

    @classmethod
    def claim(cls, conversation: Conversation, *, at: datetime, interval: timedelta) -> bool:
        """Whether it is due. Of several that ask at once, one may show it. A clock that was set back blocks nothing."""
        is_due = Q(shown_at__lte=at - interval) | Q(shown_at__gt=at + interval)
        if cls.objects.filter(is_due, conversation=conversation).update(shown_at=at):
            return True
        return cls.objects.get_or_create(conversation=conversation, defaults={"shown_at": at})[1]
