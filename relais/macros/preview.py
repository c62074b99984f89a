"""What a macro would do in a conversation now: its steps in words, its texts filled, and what would be refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from relais.accounts.models import User
from relais.conversations.models import Conversation
from relais.macros.runs import perform_step
from relais.macros.steps import NoteStep, SendStep, SnoozeStep, Step, StepContext, with_text
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.notes.limits import MAX_NOTE_CHARACTERS
from relais.quick_replies.variables import FillContext, fill

MAX_TEXT_CHARACTERS = {SendStep.kind: MAX_MESSAGE_CHARACTERS, NoteStep.kind: MAX_NOTE_CHARACTERS}


@dataclass
class StepPreview:
    number: int
    step: Step
    refusal: str = ""
    """Why it would be refused; empty if it would be performed."""
    code: str = ""
    sent_texts: list[str] = field(default_factory=list)
    """What the client would read because of it, the closing text for example."""
    at: datetime | None = None

    @property
    def text(self) -> str:
        return self.step.text if isinstance(self.step, SendStep | NoteStep) else ""

    @property
    def file_names(self) -> list[str]:
        return self.step.file_names if isinstance(self.step, SendStep) else []

    @property
    def choice_titles(self) -> list[str]:
        return self.step.choice_titles if isinstance(self.step, SendStep) else []

    @property
    def max_characters(self) -> int:
        return MAX_TEXT_CHARACTERS.get(self.step.kind, 0)

    @property
    def automatic_texts(self) -> list[str]:
        """Without the text of the step itself, which may be edited."""
        return [] if isinstance(self.step, SendStep) else self.sent_texts

    @property
    def snoozed_until(self) -> datetime | None:
        return self.step.ends_at(self.at) if self.at and isinstance(self.step, SnoozeStep) else None


def fill_steps(steps: Sequence[Step], context: FillContext) -> list[Step]:
    filled = []
    for step in steps:
        if isinstance(step, SendStep):
            step = with_text(step, fill(step.source_text, context))
        elif isinstance(step, NoteStep):
            step = with_text(step, fill(step.text, context))
        filled.append(step)
    return filled


class _RollBack(Exception):
    pass


def preview_steps(
    steps: Sequence[Step], conversation: Conversation, *, by: User, at: datetime
) -> list[StepPreview]:
    """Perform them all and roll back, so that the preview refuses exactly what a run would refuse."""
    previews: list[StepPreview] = []
    try:
        with transaction.atomic():
            for number, step in enumerate(steps, start=1):
                seq = Conversation.objects.values_list("seq", flat=True).get(pk=conversation.pk)
                refusal = perform_step(step, conversation.pk, StepContext(by, at, f"preview-{number}"))
                previews.append(
                    StepPreview(
                        number,
                        step,
                        refusal=str(refusal or ""),
                        code=refusal.code if refusal else "",
                        sent_texts=_texts_since(conversation, seq),
                        at=at,
                    )
                )
            raise _RollBack
    except _RollBack:
        return previews


def _texts_since(conversation: Conversation, seq: int) -> list[str]:
    """What the events after `seq` send to the client; a text that WhatsApp would not take now is not sent."""
    sent = conversation.events.filter(seq__gt=seq, delivery__isnull=False).exclude(delivery__state="refused")
    return list(sent.order_by("seq").values_list("body", flat=True))
