"""Flows, their revisions, and the executions that run on them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models, transaction
from django.db.models import Count, F, Max, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.flows import engine

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object


def new_sid(prefix: str) -> str:
    """A name of Twilio's form: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def new_flow_sid() -> str:
    return new_sid("FW")


def new_execution_sid() -> str:
    return new_sid("FN")


class NotPublished(Exception):
    """A flow answers clients only by a revision that was published."""


class NotStartedByMessages(Exception):
    """No message of a client starts this revision, so that it cannot answer one."""


class Flows(models.QuerySet["Flow"]):
    def with_running(self) -> Flows:
        """Each with `running`, how many executions are under way on it; the one that answers first."""
        running = _how_many(Execution.objects.active().filter(revision__flow=OuterRef("pk")))
        return self.annotate(running=running).order_by("-answers", "name")


class Revisions(models.QuerySet["Revision"]):
    def with_running(self) -> Revisions:
        """Each with `running`, the newest first."""
        running = _how_many(Execution.objects.active().filter(revision=OuterRef("pk")))
        return self.annotate(running=running).order_by("-number")


def _how_many(executions: Executions) -> Coalesce:
    """Counted by itself: a join would go through all that ever ran, to find the few under way."""
    counted = executions.order_by().values(one=Value(1)).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=models.IntegerField()), 0)


class Flow(models.Model):
    """A flow of Studio's; one `answers` the clients, the others are its sub-flows or drafts."""

    name = models.CharField(_("nom"), max_length=80, unique=True)
    sid = models.CharField(max_length=34, unique=True, default=new_flow_sid)
    """As a parent's run-subflow names it."""
    answers = models.BooleanField(_("répond aux clients"), default=False, db_default=False)
    zone = models.CharField(_("fuseau horaire"), max_length=60, blank=True, default="", db_default="")
    """In which templates tell the time; empty is the company's own."""
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = Flows.as_manager()

    class Meta(TypedModelMeta):
        db_table = "flows"
        ordering = ("-answers", "name")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["answers"], condition=Q(answers=True), name="one_flow_answers"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def published(self) -> Revision | None:
        return self.revisions.filter(published_at__isnull=False).order_by("-published_at", "-number").first()

    @property
    def latest(self) -> Revision | None:
        return self.revisions.order_by("-number").first()

    def executions(self) -> Executions:
        return Execution.objects.filter(revision__flow=self)

    @staticmethod
    def published_as(sids: Iterable[str]) -> dict[str, int]:
        """The published revision of each of these flows."""
        found = ((flow.sid, flow.published) for flow in Flow.objects.filter(sid__in=sids))
        return {sid: revision.pk for sid, revision in found if revision is not None}

    @transaction.atomic
    def answer_clients(self) -> None:
        """From the next conversation on; executions under way stay where they are.

        Raises NotPublished and NotStartedByMessages.
        """
        if self.published is None:
            raise NotPublished
        if not self.published.is_started_by_messages:
            raise NotStartedByMessages
        # In one order, so that of two admins at once one comes after the other.
        list(Flow.objects.order_by("pk").select_for_update(no_key=True))
        Flow.objects.filter(answers=True).exclude(pk=self.pk).update(answers=False)
        Flow.objects.filter(pk=self.pk).update(answers=True)
        self.answers = True

    @transaction.atomic
    def add_revision(self, definition: dict[str, Any], *, by: str, at: datetime) -> Revision:
        """Keep a definition as a new draft. Raises engine.BadFlow when it cannot be run."""
        engine.parse(definition)
        Flow.objects.select_for_update(no_key=True).get(pk=self.pk)
        number = (self.revisions.aggregate(last=Max("number"))["last"] or 0) + 1
        return self.revisions.create(number=number, definition=definition, made_by=by, created_at=at)


class Revision(models.Model):
    """One version of a definition, as it was given. Executions stay on the one they began with."""

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="revisions")
    number = models.IntegerField()
    definition = models.JSONField()
    made_by = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(null=True)
    """The one published last answers; publishing an older one again is the way back."""

    objects = Revisions.as_manager()

    class Meta(TypedModelMeta):
        db_table = "flow_revisions"
        ordering = ("-number",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["flow", "number"], name="revision_number_is_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.flow} {self.number}"

    def missing_subflows(self) -> list[str]:
        """The SIDs of flows that it runs and that are not published here: it takes `failed` there."""
        try:
            sids = self.parsed().subflows()
        except engine.BadFlow:
            return []
        return sorted(sids - set(Flow.published_as(sids)))

    @property
    def is_started_by_messages(self) -> bool:
        try:
            return bool(self.parsed().message_start)
        except engine.BadFlow:
            return False

    def publish(self, *, at: datetime) -> None:
        """Raises NotStartedByMessages where it would leave clients without an answer."""
        if self.flow.answers and not self.is_started_by_messages:
            raise NotStartedByMessages
        Revision.objects.filter(pk=self.pk).update(published_at=at)
        self.published_at = at

    def parsed(self) -> engine.Flow:
        return engine.parse(self.definition)


class Executions(models.QuerySet["Execution"]):
    def active(self) -> Executions:
        return self.filter(ended_at=None)

    def due(self, at: datetime) -> Executions:
        """Those that time moves, whose question did not reach the client, or that left a message for later."""
        undelivered = Q(question__state__in=["failed", "refused"])
        unheard = Q(conversation__last_inbound_seq__gt=F("consumed_seq")) & ~Q(question__state="sending")
        return self.active().filter(Q(due_at__lte=at) | Q(undelivered | unheard, awaits_reply=True))


class Execution(models.Model):
    """One run of the bot in a conversation; a trigger ends it when a person takes the conversation's epoch on."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="executions")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="executions")
    sid = models.CharField(max_length=34, unique=True, default=new_execution_sid)
    subflows = models.JSONField(null=True)
    """Of each flow that it may run below, by SID: the revision published when it began. None: nobody noted it then."""
    state = models.JSONField()
    pending = models.JSONField(null=True)
    """The request under way outside, by its `ref`, so that a repeated job makes the same one."""
    consumed_seq = models.IntegerField()
    """The last of the client's events that was looked at."""
    about = models.ForeignKey(ConversationEvent, on_delete=models.PROTECT, related_name="+")
    """The client's message that the last step was about."""
    question = models.ForeignKey(MessageDelivery, null=True, on_delete=models.PROTECT, related_name="+")
    """What was asked last: only a message that came after Twilio accepted it is an answer."""
    awaits_reply = models.BooleanField(default=False, db_default=False)
    due_at = models.DateTimeField(null=True)
    path = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    """The names of the states it went through, in order; the last 500."""
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    end_reason = models.TextField(blank=True, default="", db_default="")

    objects = Executions.as_manager()

    class Meta(TypedModelMeta):
        db_table = "flow_executions"
        ordering = ("id",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(ended_at=None),
                name="one_active_execution_per_conversation",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(ended_at=None), name="executions_due"),
        ]

    def __str__(self) -> str:
        return f"execution {self.sid}"
