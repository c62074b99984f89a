"""The kinds of steps of a macro: what each does, in which words it is shown, and how it is stored as JSON.

`perform` calls the verb of the single action and raises what that raises. Checking a step when it is saved is in
`step_rules.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from relais.accounts.models import Team, User
from relais.action_errors import InvalidField
from relais.conversations.models import Conversation
from relais.conversations.snooze_times import CHOICES, choice_time
from relais.conversations.states import UNTIL_REPLY
from relais.files import errors, fetch_links
from relais.notes.models import Note
from relais.quick_replies.models import QuickReply


@dataclass(frozen=True)
class StepContext:
    """For whom and how a step runs."""

    by: User
    at: datetime
    ref: str
    """The idempotency key of this step."""
    undo_seconds: int = 0


@dataclass(frozen=True)
class Step:
    kind: ClassVar[str]
    label: ClassVar[Any]
    icon: ClassVar[str]
    has_text: ClassVar[bool] = False
    """Whether it has a `text` with variables, which is shown and may be edited before it runs."""
    do_not_call_in_templates: ClassVar[bool] = True
    """Templates show the label of a class, and would make a step of it."""

    def perform(self, conversation: Conversation, context: StepContext) -> None:
        raise NotImplementedError

    def describe(self) -> str:
        """What it does, as a sentence of a list."""
        return str(self.label)

    def to_json(self) -> dict[str, Any]:
        fields = {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }
        return {"type": self.kind, **fields}


@dataclass(frozen=True)
class SendStep(Step):
    text: str
    """Empty if it is that of `reply`."""
    reply: int | None = None
    """A quick reply, whose files or choices are sent with the text: those that it has when the step runs."""
    kind = "send"
    label = gettext_lazy("Envoyer un texte au client")
    icon = "send-horizontal"
    has_text = True

    def perform(self, conversation: Conversation, context: StepContext) -> None:
        reply = self._existing_reply()
        if reply and (choices := reply.saved_choices):
            conversation.send_choices_as_agent(
                self.text,
                choices,
                agent=context.by,
                at=context.at,
                ref=context.ref,
                undo_seconds=context.undo_seconds,
            )
            return
        files = reply.outgoing_files() if reply else []
        if files and not fetch_links.is_reachable():
            raise errors.unreachable()
        conversation.send_files_as_agent(
            self.text,
            files,
            agent=context.by,
            at=context.at,
            ref=context.ref,
            undo_seconds=context.undo_seconds,
        )

    @property
    def quick_reply(self) -> QuickReply | None:
        """None if there is none, or it is gone."""
        return QuickReply.objects.filter(pk=self.reply).first() if self.reply else None

    @property
    def source_text(self) -> str:
        """With its variables."""
        if self.text or (reply := self.quick_reply) is None:
            return self.text
        return reply.text

    @property
    def file_names(self) -> list[str]:
        reply = self.quick_reply
        return list(reply.files.values_list("filename", flat=True)) if reply else []

    @property
    def choice_titles(self) -> list[str]:
        reply = self.quick_reply
        return reply.choice_titles if reply else []

    def _existing_reply(self) -> QuickReply | None:
        """None if the step names none. Raises InvalidField."""
        reply = self.quick_reply
        if self.reply and reply is None:
            raise InvalidField("reply", _("Cette réponse rapide n'existe plus. Choisissez-en une autre."))
        return reply

    def describe(self) -> str:
        if not self.reply:
            return str(self.label)
        if (reply := self.quick_reply) is None:
            return _("Envoyer une réponse rapide qui n'existe plus")
        fields = {"shortcut": reply.shortcut}
        if reply.choices:
            return _("Envoyer la réponse rapide « /%(shortcut)s » et ses choix") % fields
        return _("Envoyer la réponse rapide « /%(shortcut)s » et ses fichiers") % fields

    def to_json(self) -> dict[str, Any]:
        values = super().to_json()
        return values if self.reply else {name: value for name, value in values.items() if name != "reply"}


@dataclass(frozen=True)
class NoteStep(Step):
    text: str
    kind = "note"
    label = gettext_lazy("Ajouter une note interne")
    icon = "sticky-note"
    has_text = True

    def perform(self, conversation: Conversation, context: StepContext) -> None:
        Note.write(conversation, self.text, author=context.by, at=context.at, ref=context.ref)


@dataclass(frozen=True)
class TagStep(Step):
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    kind = "tags"
    label = gettext_lazy("Changer les étiquettes")
    icon = "tag"

    def perform(self, conversation: Conversation, context: StepContext) -> None:
        conversation.change_tags(add=self.add, remove=self.remove, by=context.by, at=context.at)

    def describe(self) -> str:
        parts = []
        if self.add:
            added = ngettext("Ajouter l'étiquette %(tags)s", "Ajouter les étiquettes %(tags)s", len(self.add))
            parts.append(added % {"tags": _quoted(self.add)})
        if self.remove:
            removed = ngettext(
                "Retirer l'étiquette %(tags)s", "Retirer les étiquettes %(tags)s", len(self.remove)
            )
            parts.append(removed % {"tags": _quoted(self.remove)})
        return " · ".join(parts) or str(self.label)


@dataclass(frozen=True)
class TransferStep(Step):
    """To an agent or to a team; exactly one of the two is set."""

    agent: int | None = None
    team: int | None = None
    note: str = ""
    kind = "transfer"
    label = gettext_lazy("Transférer")
    icon = "user-round-cog"

    def perform(self, conversation: Conversation, context: StepContext) -> None:
        recipient = self.recipient
        if recipient is None:
            raise InvalidField("recipient", _("Ce destinataire n'existe plus. Choisissez-en un autre."))
        conversation.transfer(recipient, by=context.by, at=context.at, note=self.note)

    @property
    def recipient(self) -> User | Team | None:
        """None if it is gone or deactivated."""
        if self.team is not None:
            return Team.objects.filter(pk=self.team).first()
        return User.objects.active().filter(pk=self.agent or 0).first()

    def describe(self) -> str:
        recipient = self.recipient
        if recipient is None:
            return _("Transférer à quelqu'un qui n'est plus là")
        if isinstance(recipient, Team):
            return _("Transférer à l'équipe %(team)s") % {"team": recipient}
        return _("Transférer à %(agent)s") % {"agent": recipient}


SNOOZE_DURATIONS: dict[str, timedelta] = {
    "4h": timedelta(hours=4),
    "2d": timedelta(days=2),
    "3d": timedelta(days=3),
    "7d": timedelta(days=7),
}
"""Those offered beside the choices of the snooze dialog; every number of hours or days may be stored."""


@dataclass(frozen=True)
class SnoozeStep(Step):
    until: str
    """`reply`, a choice of the snooze dialog such as `tomorrow`, or a duration such as `36h` or `10d`."""
    kind = "snooze"
    label = gettext_lazy("Mettre en pause")
    icon = "alarm-clock"

    def perform(self, conversation: Conversation, context: StepContext) -> None:
        conversation.snooze(self.ends_at(context.at), by=context.by, at=context.at)

    def ends_at(self, at: datetime) -> datetime | None:
        """None is until the client writes."""
        if self.until == UNTIL_REPLY:
            return None
        if self.until in CHOICES:
            return choice_time(self.until, at=at)
        return timezone.localtime(at) + parse_duration(self.until)

    def describe(self) -> str:
        return _("Mettre en pause : %(until)s") % {"until": until_label(self.until)}


def parse_duration(text: str) -> timedelta:
    """From `36h` or `10d`. Raises ValueError or OverflowError."""
    return timedelta(**{{"h": "hours", "d": "days"}.get(text[-1:], ""): int(text[:-1])})


def until_label(until: str) -> str:
    if until == UNTIL_REPLY:
        return _("jusqu'à la réponse du client")
    if until in CHOICES:
        return str(CHOICES[until]).lower()
    count = int(until[:-1])
    if until.endswith("h"):
        return ngettext("%(count)s heure", "%(count)s heures", count) % {"count": count}
    return ngettext("%(count)s jour", "%(count)s jours", count) % {"count": count}


@dataclass(frozen=True)
class CloseStep(Step):
    reason: str = ""
    kind = "close"
    label = gettext_lazy("Clôturer")
    icon = "check"

    def perform(self, conversation: Conversation, context: StepContext) -> None:
        conversation.close(context.by, at=context.at, undo_seconds=context.undo_seconds, reason=self.reason)

    def describe(self) -> str:
        if not self.reason:
            return str(self.label)
        return _("Clôturer, motif : %(reason)s") % {"reason": self.reason}


STEP_TYPES: tuple[type[Step], ...] = (SendStep, NoteStep, TagStep, SnoozeStep, TransferStep, CloseStep)
STEP_TYPE_BY_KIND = {step_type.kind: step_type for step_type in STEP_TYPES}


def step_from_json(data: dict[str, Any]) -> Step:
    """A step as `to_json` stored it."""
    fields = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in data.items()
        if name != "type"
    }
    return STEP_TYPE_BY_KIND[data["type"]](**fields)


def texts_of(steps: Sequence[Step]) -> list[str]:
    """Every text that a search of macros finds."""
    texts = [step.text for step in steps if isinstance(step, SendStep | NoteStep)]
    tags = [tag for step in steps if isinstance(step, TagStep) for tag in step.add]
    return [*texts, *tags]


def with_text(step: Step, text: str) -> Step:
    return replace(step, text=text)  # type: ignore[call-arg]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(_("« %(name)s »") % {"name": name} for name in names)
