"""Scheduled messages: written now, sent at a time, under the guards of that time. Their tables and verbs.

A row is `scheduled` until its time; then one transaction makes it either `sent`, with the event and delivery of a
message in the outbox, or `withheld`, with the reason. Whatever ends a process meanwhile, the row is still `scheduled`
and the next run takes it; the row lock lets one of two processes do so. Scheduling itself is `Conversation.schedule`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from relais.accounts.models import User
from relais.action_errors import ActionRefused, NotAllowed
from relais.choices import Choices, check_question
from relais.content_templates.rendering import render_template
from relais.conversations.errors import StateConflict
from relais.conversations.events import SYSTEM
from relais.conversations.outgoing_text import clean_message
from relais.conversations.scheduled_times import check_send_at
from relais.files.models import StoredFile
from relais.files.uploads import OutgoingFile
from relais.message_limits import MAX_REF_CHARACTERS
from relais.text import has_visible_characters

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta

    from relais.conversations.models import MessageDelivery
else:
    TypedModelMeta = object

log = logging.getLogger(__name__)
SEND_BATCH_SIZE = 100
MAX_RUN_SECONDS = 50
FINISHED_KEPT_FOR = timedelta(days=30)
"""How long what was sent or cancelled stays: a repeated request is answered from it."""
MAX_REASON_CHARACTERS = 32


class ScheduledState(models.TextChoices):
    SCHEDULED = "scheduled", gettext_lazy("Programmé")
    SENT = "sent", gettext_lazy("Envoyé")
    CANCELLED = "cancelled", gettext_lazy("Annulé")
    WITHHELD = "withheld", gettext_lazy("Non envoyé")


FINISHED_STATES = (ScheduledState.SENT, ScheduledState.CANCELLED)
CHANGEABLE_STATES = (ScheduledState.SCHEDULED, ScheduledState.WITHHELD)


class ScheduledMessageQuerySet(models.QuerySet["ScheduledMessage"]):
    def with_ref(self, ref: str | None) -> ScheduledMessage | None:
        return self.filter(ref=ref).first() if ref else None

    def visible_to(self, user: User) -> ScheduledMessageQuerySet:
        return self.filter(conversation__in=user.reachable_conversations())

    def scheduled(self) -> ScheduledMessageQuerySet:
        return self.filter(state=ScheduledState.SCHEDULED)

    def changeable(self) -> ScheduledMessageQuerySet:
        """What people can still edit, cancel or, once it was withheld, put aside."""
        return self.filter(state__in=CHANGEABLE_STATES)

    def due(self, at: datetime) -> ScheduledMessageQuerySet:
        return self.scheduled().filter(send_at__lte=at)


class ScheduledMessage(models.Model):
    not_found_sentence = gettext_lazy("Ce message programmé n'existe pas, ou n'est pas à votre portée.")

    # Named by a string: the verbs of conversations import this module.
    conversation: Any = models.ForeignKey(
        "conversations.Conversation",
        on_delete=models.CASCADE,
        related_name="scheduled_messages",
        db_index=False,
    )
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="scheduled_messages")
    author_name = models.TextField()
    """As it was, so that a deleted user leaves a readable message."""
    body = models.TextField(blank=True)
    """Of a template, what the client will read."""
    content_sid = models.TextField(blank=True, default="", db_default="")
    content_variables = models.JSONField(default=dict)
    choices = models.JSONField(null=True)
    send_at = models.DateTimeField()
    state = models.CharField(
        max_length=12, choices=ScheduledState.choices, default=ScheduledState.SCHEDULED.value
    )
    reason = models.CharField(max_length=MAX_REASON_CHARACTERS, blank=True, default="", db_default="")
    """Why it was withheld: the code of the refusal, as `refusal_texts.withheld_sentence` knows it."""
    ref = models.CharField(max_length=MAX_REF_CHARACTERS, null=True)
    """The idempotency key: a repeated request is answered like the first."""
    rev = models.BigIntegerField()
    """The conversation's `rev` when it was scheduled or last changed."""
    event: Any = models.ForeignKey(
        "conversations.ConversationEvent",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    """The first message that it became."""
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    """When it was sent, withheld or cancelled."""

    objects = ScheduledMessageQuerySet.as_manager()

    class Meta(TypedModelMeta):
        db_table = "scheduled_messages"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=ScheduledState.values), name="scheduled_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state="sent", event__isnull=False) | (~Q(state="sent") & Q(event=None)),
                name="a_sent_scheduled_message_has_an_event",
            ),
            models.UniqueConstraint(
                fields=["conversation", "ref"],
                condition=Q(ref__isnull=False),
                name="a_ref_is_scheduled_once",
            ),
            models.UniqueConstraint(fields=["conversation", "rev"], name="scheduled_rev_is_unique"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["send_at", "id"], condition=Q(state="scheduled"), name="scheduled_messages_by_time"
            ),
            models.Index(
                fields=["finished_at"],
                condition=Q(state__in=["sent", "cancelled"]),
                name="finished_scheduled_messages",
            ),
        ]

    def __str__(self) -> str:
        return f"scheduled message {self.pk}"

    @property
    def is_template(self) -> bool:
        return bool(self.content_sid)

    @property
    def is_changeable(self) -> bool:
        return self.state in CHANGEABLE_STATES

    def falls_outside_window(self, window_closes_at: datetime | None) -> bool:
        """Whether WhatsApp will refuse it at its time, unless the client writes before."""
        return not self.is_template and (window_closes_at is None or self.send_at >= window_closes_at)

    # -- its author and supervisors -------------------------------------------------------------------------

    @transaction.atomic
    def edit(
        self,
        *,
        by: User,
        at: datetime,
        send_at: datetime | None = None,
        text: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Its author, who holds the conversation, changes what is given. One that was withheld is scheduled again."""
        conversation = self._lock()
        if self.author_id != by.pk:
            raise NotAllowed(_("Seul l'auteur d'un message programmé peut le modifier."))
        self._require_changeable(conversation)
        conversation._check_may_schedule(by)
        check_send_at(send_at or self.send_at, at=at)
        fields: dict[str, Any] = {"send_at": send_at or self.send_at}
        if self.is_template:
            rendered = render_template(
                self.content_sid, self.content_variables if variables is None else variables
            )
            fields |= {"body": rendered.content.text, "content_variables": rendered.variables}
        elif text is not None:
            fields["body"] = self._clean(text)
        self._update(
            conversation, state=ScheduledState.SCHEDULED, reason="", edited_at=at, finished_at=None, **fields
        )

    @transaction.atomic
    def cancel(self, *, by: User, at: datetime) -> None:
        """By its author or a supervisor; also puts one aside that was withheld. Idempotent."""
        conversation = self._lock()
        if self.author_id != by.pk and not by.is_supervisor:
            raise NotAllowed(_("Seul l'auteur d'un message programmé ou un superviseur peut l'annuler."))
        if self.state == ScheduledState.CANCELLED:
            return
        self._require_changeable(conversation)
        self._finish(conversation, ScheduledState.CANCELLED, at=at)

    def _clean(self, text: str) -> str:
        if not has_visible_characters(text) and self.files.exists():
            return ""
        body = clean_message(text)
        if self.choices:
            check_question(body)
        return body

    def _require_changeable(self, conversation: Any) -> None:
        if self.state == ScheduledState.SENT:
            raise StateConflict(conversation, _("Ce message programmé est déjà parti."), code="already_sent")
        if self.state == ScheduledState.CANCELLED:
            raise StateConflict(conversation, _("Ce message programmé a été annulé."), code="cancelled")

    # -- its time has come ---------------------------------------------------------------------------------------

    @transaction.atomic
    def leave(self, *, at: datetime) -> bool:
        """Put it into the outbox, or withhold it. False if it is not due any more: another process was faster."""
        conversation = self._lock()
        if self.state != ScheduledState.SCHEDULED or self.send_at > at:
            return False
        try:
            # A savepoint: a refusal leaves nothing of the message behind.
            with transaction.atomic():
                [first, *_others] = self._send(conversation, at)
        except ActionRefused as refusal:
            self._withhold(conversation, withholding_reason(refusal), at=at)
        else:
            self._finish(conversation, ScheduledState.SENT, at=at, event=first.event)
        return True

    def _send(self, conversation: Any, at: datetime) -> Sequence[MessageDelivery]:
        """By the verbs of its author, which check again who holds the conversation, the window and the template."""
        if self.author is None or not self.author.is_active:
            raise NotAllowed
        options: dict[str, Any] = {"agent": self.author, "at": at, "metadata": {"scheduled": self.pk}}
        if self.is_template:
            return [conversation.send_template_as_agent(self.content_sid, self.content_variables, **options)]
        if self.choices:
            choices = Choices.from_json(self.choices)
            return [conversation.send_choices_as_agent(self.body, choices, **options)]
        deliveries: list[MessageDelivery] = conversation.send_files_as_agent(
            self.body, self.outgoing_files(), **options
        )
        return deliveries

    def outgoing_files(self) -> list[OutgoingFile]:
        files = self.files.select_related("file")
        return [OutgoingFile(each.file, each.content_type, each.filename) for each in files]

    def _withhold(self, conversation: Any, reason: str, *, at: datetime) -> None:
        conversation.append_event(
            "scheduled_withheld",
            by=SYSTEM,
            at=at,
            body=self.body,
            metadata={
                "scheduled": self.pk,
                "reason": reason,
                "agent": self.author_id,
                "agent_name": self.author_name,
                "send_at": self.send_at.isoformat(),
            },
            is_activity=False,
        )
        self._update(conversation, state=ScheduledState.WITHHELD, reason=reason, finished_at=at)

    # -- changes, under the row lock of the conversation ------------------------------------------------------

    def _lock(self) -> Any:
        """First the conversation's row, as everywhere; then what this is by now."""
        conversation = self.conversation.locked()
        self.refresh_from_db(from_queryset=ScheduledMessage.objects.select_for_update(no_key=True))
        self.conversation = conversation
        return conversation

    def _finish(self, conversation: Any, state: ScheduledState, *, at: datetime, event: Any = None) -> None:
        """Its files belong to the messages that it became, or to nothing any more."""
        self._update(conversation, state=state, reason="", event=event, finished_at=at)
        self.files.all().delete()

    def _update(self, conversation: Any, **fields: Any) -> None:
        ScheduledMessage.objects.filter(pk=self.pk).update(rev=conversation.bump_rev(), **fields)
        self.refresh_from_db()


class ScheduledFile(models.Model):
    """A stored file that will be sent: the clean-up keeps it, since this row references it."""

    scheduled_message = models.ForeignKey(
        ScheduledMessage, on_delete=models.CASCADE, related_name="files", db_index=False
    )
    position = models.SmallIntegerField()
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="scheduled_files")
    content_type = models.TextField()
    filename = models.TextField()

    class Meta(TypedModelMeta):
        db_table = "scheduled_files"
        ordering = ("position",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["scheduled_message", "position"], name="one_scheduled_file_per_position"
            ),
        ]

    def __str__(self) -> str:
        return f"file {self.position} of scheduled message {self.scheduled_message_id}"


def withholding_reason(refusal: ActionRefused) -> str:
    if isinstance(refusal, NotAllowed):
        return "holder_changed"
    return refusal.code[:MAX_REASON_CHARACTERS]


def send_due(
    messages: ScheduledMessageQuerySet, *, at: datetime, max_seconds: float = MAX_RUN_SECONDS
) -> int:
    """Let those whose time has come leave, the oldest first; returns how many. Each in a transaction of its own.

    One that fails is logged and stays scheduled for the next run; it does not hold back the others.
    """
    handled, later, deadline = 0, Q(), time.monotonic() + max_seconds
    due = messages.due(at).select_related("author", "conversation").order_by("send_at", "id")
    while (batch := list(due.filter(later)[:SEND_BATCH_SIZE])) and (not later or time.monotonic() < deadline):
        # Read now: a message has changed once it has left.
        last_at, last_id = batch[-1].send_at, batch[-1].pk
        handled += sum(_leave(message, at=at) for message in batch)
        later = Q(send_at__gt=last_at) | Q(send_at=last_at, pk__gt=last_id)
    return handled


def _leave(message: ScheduledMessage, *, at: datetime) -> bool:
    try:
        return message.leave(at=at)
    except ScheduledMessage.DoesNotExist:
        return False  # deleted meanwhile
    except Exception:
        log.exception("scheduled message failed", extra={"scheduled": message.pk})
        return False


def delete_finished(messages: ScheduledMessageQuerySet, *, at: datetime) -> int:
    """Forget what was sent or cancelled long ago: what was sent is in the history."""
    old = messages.filter(state__in=FINISHED_STATES, finished_at__lt=at - FINISHED_KEPT_FOR)
    deleted, _by_table = old.delete()
    return deleted
