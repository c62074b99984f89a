"""The table of the runs of macros. A run performs step by step, until one is refused.

Each step has a transaction of its own, in which it is marked as done. So a step is performed once, however often and
concurrently the request is repeated, and an interrupted run continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import ActionRefused
from relais.conversations.models import Conversation
from relais.macros.steps import CloseStep, Step, StepContext, step_from_json
from relais.message_limits import MAX_REF_CHARACTERS

if TYPE_CHECKING:
    from relais.macros.models import Macro


class OutOfReach(ActionRefused):
    """A step before, such as a transfer to another team, took the conversation out of the user's reach."""

    code = "not_found"
    http_status = 404

    def __init__(self) -> None:
        super().__init__(_("Cette conversation n'est plus à votre portée."))


class MacroRun(models.Model):
    """One run of a macro in a conversation: what makes a repeated request do nothing twice."""

    macro = models.ForeignKey("macros.Macro", null=True, on_delete=models.SET_NULL, related_name="runs")
    conversation = models.ForeignKey(
        "conversations.Conversation", on_delete=models.CASCADE, related_name="macro_runs", db_index=False
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="macro_runs")
    ref = models.CharField(max_length=MAX_REF_CHARACTERS)
    """The idempotency key of the request."""
    title = models.TextField()
    steps: Any = models.JSONField()
    """As they run, with filled texts."""
    undo_seconds = models.IntegerField()
    done_count = models.IntegerField(db_default=0)
    refusal: Any = models.JSONField(null=True)
    """`{step, code, error, http_status}` of the step at which it stopped."""
    started_at = models.DateTimeField()

    class Meta:
        db_table = "macro_runs"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["conversation", "user", "ref"], name="a_macro_run_ref_is_stored_once"
            ),
            models.CheckConstraint(condition=Q(done_count__gte=0), name="done_steps_are_counted_from_0"),
        ]

    def __str__(self) -> str:
        return f"macro run {self.pk}"

    @classmethod
    def run(
        cls,
        macro: Macro,
        conversation: Conversation,
        *,
        by: User,
        ref: str,
        steps: Sequence[Step],
        undo_seconds: int,
        at: datetime,
    ) -> MacroRun:
        """Perform `steps`, those of the macro with filled texts. The same `ref` again gives the first run."""
        run, _is_new = cls.objects.get_or_create(
            conversation=conversation,
            user=by,
            ref=ref,
            defaults={
                "macro": macro,
                "title": macro.title,
                "steps": [step.to_json() for step in steps],
                "undo_seconds": undo_seconds,
                "started_at": at,
            },
        )
        while run._perform_next(at=at):
            pass
        return run

    @property
    def is_finished(self) -> bool:
        return self.refusal is not None or self.done_count == len(self.steps)

    @property
    def done(self) -> list[int]:
        """The numbers of the steps that were performed, from 1."""
        return list(range(1, self.done_count + 1))

    @transaction.atomic
    def _perform_next(self, *, at: datetime) -> bool:
        """Perform the next step and mark it; False if the run is finished. Lock order: run, users, conversation."""
        run = type(self).objects.select_for_update().select_related("user").get(pk=self.pk)
        if not run.is_finished:
            number = run.done_count + 1
            context = StepContext(run.user, at, run.step_ref(number), run.undo_seconds)
            refusal = perform_step(step_from_json(run.steps[number - 1]), run.conversation_id, context)
            run._mark(number, refusal, at=at)
        self.steps, self.done_count, self.refusal = run.steps, run.done_count, run.refusal
        return not run.is_finished

    def _mark(self, number: int, refusal: ActionRefused | None, *, at: datetime) -> None:
        if refusal:
            self.refusal = {
                "step": number,
                "code": refusal.code,
                "error": str(refusal),
                "http_status": refusal.http_status,
            }
        else:
            self.done_count = number
            if number == 1 and self.macro:
                self.macro.record_use(at=at)
        if self.is_finished:
            # The history of the conversation has the texts.
            self.steps = [{"type": step["type"]} for step in self.steps]
        self.save(update_fields=["steps", "done_count", "refusal"])

    def step_ref(self, number: int) -> str:
        return f"{self._ref_prefix}{number}-{self.ref}"[:MAX_REF_CHARACTERS]

    @property
    def _ref_prefix(self) -> str:
        return f"macro-{self.pk}-"

    @property
    def has_closed(self) -> bool:
        kinds = [step["type"] for step in self.steps]
        return CloseStep.kind in kinds[: self.done_count]

    @transaction.atomic
    def undo(self, *, by: User, at: datetime) -> None:
        """Within seconds: reopen what it closed, and withdraw its texts that are still held. All of it or nothing."""
        conversation = Conversation.objects.get(pk=self.conversation_id)
        if self.has_closed:
            conversation.reopen(by, at=at)
        texts = conversation.deliveries.filter(ref__startswith=self._ref_prefix, event__author_id=by.pk)
        for delivery in texts.select_related("event").order_by("-event__seq"):
            conversation.undo_send(delivery.event, agent=by, at=at)


def perform_step(step: Step, conversation_id: int, context: StepContext) -> ActionRefused | None:
    """Call its verb within the user's reach. A refusal is returned, and leaves nothing behind."""
    try:
        with transaction.atomic():
            conversation = context.by.reachable_conversations().filter(pk=conversation_id).first()
            if conversation is None:
                raise OutOfReach
            step.perform(conversation, context)
    except ActionRefused as refusal:
        return refusal
    return None
