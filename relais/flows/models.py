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
from relais.flows.import_limits import MAX_FLOW_NAME_CHARACTERS

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object


def new_sid(prefix: str) -> str:
    """A SID in Twilio's format: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def new_flow_sid() -> str:
    return new_sid("FW")


def new_execution_sid() -> str:
    return new_sid("FN")


class NotPublished(Exception):
    """A flow without a published revision cannot answer clients."""


class NotStartedByMessages(Exception):
    """No message of a client starts this revision, so it cannot answer clients."""


class FlowQuerySet(models.QuerySet["Flow"]):
    def with_running(self) -> FlowQuerySet:
        """Annotate `running`, the number of active executions; the flow that answers clients comes first."""
        running = _count_subquery(Execution.objects.active().filter(revision__flow=OuterRef("pk")))
        return self.annotate(running=running).order_by("-answers", "name")


class RevisionQuerySet(models.QuerySet["Revision"]):
    def with_running(self) -> RevisionQuerySet:
        """Annotate `running`, the number of active executions; the newest revision comes first."""
        running = _count_subquery(Execution.objects.active().filter(revision=OuterRef("pk")))
        return self.annotate(running=running).order_by("-number")


def _count_subquery(executions: ExecutionQuerySet) -> Coalesce:
    """A subquery, since a join would read all executions of the past to count the few active ones."""
    counts = executions.order_by().values(one=Value(1)).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counts, output_field=models.IntegerField()), 0)


class Flow(models.Model):
    """A flow; one `answers` clients, the others are its sub-flows or drafts."""

    not_found_sentence = _("Ce parcours n'existe pas.")

    name = models.CharField(_("nom"), max_length=MAX_FLOW_NAME_CHARACTERS, unique=True)
    sid = models.CharField(max_length=34, unique=True, default=new_flow_sid)
    """By which a parent's run-subflow refers to it."""
    answers = models.BooleanField(_("répond aux clients"), default=False, db_default=False)
    zone = models.CharField(_("fuseau horaire"), max_length=60, blank=True, default="", db_default="")
    """The time zone of templates; the company's if empty."""
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = FlowQuerySet.as_manager()

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
        """Its definition is large, and read from the database when it is first used."""
        published = self.revisions.filter(published_at__isnull=False).defer("definition")
        return published.order_by("-published_at", "-number").first()

    @property
    def latest(self) -> Revision | None:
        return self.revisions.order_by("-number").first()

    def executions(self) -> ExecutionQuerySet:
        return Execution.objects.filter(revision__flow=self)

    @staticmethod
    def published_revision_ids(sids: Iterable[str]) -> dict[str, int]:
        """The ids of the published revisions of these flows, by SID."""
        published = ((flow.sid, flow.published) for flow in Flow.objects.filter(sid__in=sids))
        return {sid: revision.pk for sid, revision in published if revision is not None}

    @transaction.atomic
    def answer_clients(self) -> None:
        """Answer clients by this flow from now on; active executions stay on theirs.

        Raises NotPublished and NotStartedByMessages.
        """
        if self.published is None:
            raise NotPublished
        if not self.published.is_started_by_messages:
            raise NotStartedByMessages
        # Lock in a fixed order: concurrent admins are serialised, and do not deadlock.
        list(Flow.objects.order_by("pk").select_for_update(no_key=True))
        Flow.objects.filter(answers=True).exclude(pk=self.pk).update(answers=False)
        Flow.objects.filter(pk=self.pk).update(answers=True)
        self.answers = True

    @transaction.atomic
    def add_revision(self, definition: dict[str, Any], *, by: str, at: datetime) -> Revision:
        """Store a definition as a new draft. Raises engine.InvalidFlow."""
        engine.parse(definition)
        Flow.objects.select_for_update(no_key=True).get(pk=self.pk)
        number = (self.revisions.aggregate(last=Max("number"))["last"] or 0) + 1
        return self.revisions.create(number=number, definition=definition, made_by=by, created_at=at)


class Revision(models.Model):
    """One version of a definition, which never changes. Executions stay on the revision they started with."""

    not_found_sentence = _("Cette version du parcours n'existe pas.")

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="revisions")
    number = models.IntegerField()
    definition = models.JSONField()
    made_by = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(null=True)
    """The revision published last is the published one; publishing an older one again is a rollback."""

    objects = RevisionQuerySet.as_manager()

    class Meta(TypedModelMeta):
        db_table = "flow_revisions"
        ordering = ("-number",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["flow", "number"], name="revision_number_is_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.flow} {self.number}"

    def missing_subflows(self) -> list[str]:
        """The SIDs of sub-flows without a published revision: run-subflow takes `failed` there."""
        try:
            sids = self.parsed().subflows()
        except engine.InvalidFlow:
            return []
        return sorted(sids - set(Flow.published_revision_ids(sids)))

    @property
    def is_started_by_messages(self) -> bool:
        try:
            return bool(self.parsed().message_trigger_event)
        except engine.InvalidFlow:
            return False

    def publish(self, *, at: datetime) -> None:
        """Raises NotStartedByMessages if clients would no longer be answered."""
        if self.flow.answers and not self.is_started_by_messages:
            raise NotStartedByMessages
        Revision.objects.filter(pk=self.pk).update(published_at=at)
        self.published_at = at

    def parsed(self) -> engine.Flow:
        return engine.parse(self.definition)


class ExecutionQuerySet(models.QuerySet["Execution"]):
    def active(self) -> ExecutionQuerySet:
        return self.filter(ended_at=None)

    def due(self, at: datetime) -> ExecutionQuerySet:
        """Executions that time out, whose question was not delivered, or that have an unread message."""
        undelivered = Q(question__state__in=["failed", "refused"])
        unread = Q(conversation__last_inbound_seq__gt=F("consumed_seq")) & ~Q(question__state="sending")
        return self.active().filter(Q(due_at__lte=at) | Q(undelivered | unread, awaits_reply=True))


class Execution(models.Model):
    """One run of the bot in a conversation. A database trigger ends it when `conversations.epoch` rises (take-over)."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="executions")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="executions")
    sid = models.CharField(max_length=34, unique=True, default=new_execution_sid)
    subflows = models.JSONField(null=True)
    """The ids of the sub-flows' revisions at the start, by SID; None in old rows, which did not record them."""
    state = models.JSONField()
    pending = models.JSONField(null=True)
    """The request that waits for its response; a repeated job makes the same request (idempotency key `ref`)."""
    consumed_seq = models.IntegerField()
    """The `seq` of the client's last message that the bot has processed."""
    about = models.ForeignKey(ConversationEvent, on_delete=models.PROTECT, related_name="+")
    """The client's message that the last step processed."""
    question = models.ForeignKey(MessageDelivery, null=True, on_delete=models.PROTECT, related_name="+")
    """The last question: only a message from after Twilio accepted it is a reply."""
    awaits_reply = models.BooleanField(default=False, db_default=False)
    due_at = models.DateTimeField(null=True)
    path = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    """The names of the states it went through, in order; the last MAX_PATH_STATES."""
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    end_reason = models.TextField(blank=True, default="", db_default="")

    objects = ExecutionQuerySet.as_manager()

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
