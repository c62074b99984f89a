"""The life of a conversation. Nothing outside this file changes `status`, `agent` or `epoch`.

Opening is the columns' defaults (`inbound.sql`): with the bot, in the main menu. Four situations follow:

    bot (active) · waiting (transferred, no agent) · held (transferred, agent) · ended (the rest)

Every verb is guard → one transaction → conditional change → event. Time is a parameter.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from relais.accounts.models import User
from relais.conversations.events import SYSTEM, Author, History

if TYPE_CHECKING:
    from relais.conversations.models import Conversation, Conversations


class Status(models.TextChoices):
    ACTIVE = "active", gettext_lazy("Avec le bot")
    TRANSFERRED = "transferred", gettext_lazy("Avec un agent")
    COMPLETED = "completed", gettext_lazy("Terminée")
    TIMEOUT = "timeout", gettext_lazy("Sans suite")
    ABANDONED = "abandoned", gettext_lazy("Abandonnée")


SLICE = 100
OPEN = (Status.ACTIVE, Status.TRANSFERRED)
ENDED = (Status.COMPLETED, Status.TIMEOUT, Status.ABANDONED)


class Situation(Enum):
    BOT = "bot"
    WAITING = "waiting"
    HELD = "held"
    ENDED = "ended"


class Refusal(Exception):
    """A verb that was not carried out; `str()` is a sentence for the person who tried."""

    code = "refused"


class TooLate(Refusal):
    """Someone was faster, or the conversation is no longer in a situation that allows it."""

    def __init__(self, conversation: Conversation, sentence: str = "") -> None:
        self.agent = conversation.agent if conversation.situation is Situation.HELD else None
        self.status = conversation.status
        self.code = "held" if self.agent else "ended" if not conversation.is_open else "wrong_state"
        super().__init__(sentence or self._sentence(conversation))

    def _sentence(self, conversation: Conversation) -> str:
        if self.agent:
            return _("%(agent)s a pris cette conversation. Vous pouvez la suivre.") % {"agent": self.agent}
        if not conversation.is_open:
            return _("Cette conversation est terminée. Le prochain message du client en ouvrira une autre.")
        return _("La conversation a changé entre-temps. Rechargez la page.")


class NotAllowed(Refusal):
    """Who tried has not the right: not the holder, or a role too low."""

    code = "forbidden"


HELD = Q(status=Status.TRANSFERRED, agent__isnull=False)
WAITING = Q(status=Status.TRANSFERRED, agent=None)
BOT = Q(status=Status.ACTIVE)


class Lifecycle(History):
    if TYPE_CHECKING:
        status: Any
        agent: Any
        agent_id: Any
        epoch: Any
        started_at: Any
        duration_seconds: Any
        situation: Any
        is_open: Any

    def ask_for_agent(
        self: Conversation,
        *,
        by: Author,
        at: datetime,
        reason: str = "",
        attributes: Mapping[str, Any] | None = None,
    ) -> bool:
        """Put the client in the queue. False when it was too late; true also when that was done before."""
        moved = self._moved(
            "agent_transfer",
            by=by,
            at=at,
            where=BOT,
            metadata=({"reason": reason} if reason else {})
            | ({"attributes": dict(attributes)} if attributes else {}),
            status=Status.TRANSFERRED,
            transferred_at=at,
        )
        return moved or self.is_open

    @transaction.atomic
    def take_over(self: Conversation, agent: User, *, at: datetime) -> None:
        _keep_on_duty(agent)
        taken = self._moved(
            "agent_takeover",
            by=Author.of(agent),
            at=at,
            where=BOT | WAITING,
            hands=True,
            status=Status.TRANSFERRED,
            agent=agent,
            transferred_at=Coalesce("transferred_at", at, output_field=models.DateTimeField()),
            read_seq=F("last_inbound_seq"),
        )
        if not taken and not self._is_held_by(agent):
            raise TooLate(self)

    def complete(self: Conversation, *, by: Author, at: datetime) -> bool:
        """The bot's flow came to its end. False when a human is asked for or holds the conversation."""
        return self._ended("flow_complete", Status.COMPLETED, by=by, at=at, where=BOT) or not self.is_open

    @transaction.atomic
    def close(self: Conversation, by: User, *, at: datetime, tell_client: bool | None = None) -> None:
        """End it: the holder, or a supervisor whoever holds it.

        The client is told when somebody held it, unless `tell_client` says otherwise.
        """
        held = self.locked().situation is Situation.HELD
        tell = held if tell_client is None else tell_client
        where = BOT | WAITING | HELD if by.is_supervisor else HELD & Q(agent=by)
        if not self._ended(
            "conversation_closed",
            Status.COMPLETED,
            by=Author.of(by),
            at=at,
            where=where,
            hands=True,
            metadata={"tell_client": tell},
        ):
            raise self._why_not(by)

    @transaction.atomic
    def hand_back(self: Conversation, by: User, *, at: datetime, reason: str = "") -> None:
        """Give the conversation to the bot, whose flow starts anew at the client's next message."""
        where = WAITING | HELD if by.is_supervisor else HELD & Q(agent=by)
        metadata = {"to": "bot", "reason": reason, "previous_agent": str(self.locked().agent or "")}
        if not self._moved(
            "agent_release",
            by=Author.of(by),
            at=at,
            where=where,
            hands=True,
            metadata=metadata,
            status=Status.ACTIVE,
            agent=None,
            transferred_at=None,
            current_menu="main_menu",
        ):
            raise self._why_not(by, with_bot=_("Le bot tient déjà cette conversation."))

    @transaction.atomic
    def reassign(self: Conversation, to: User, *, by: User, at: datetime) -> None:
        if not by.is_supervisor:
            raise NotAllowed(_("Seul un superviseur peut réattribuer une conversation."))
        _keep_on_duty(to)
        if not to.reachable_conversations().filter(pk=self.pk).exists():
            raise NotAllowed(_("%(agent)s ne peut pas recevoir cette conversation.") % {"agent": to})
        if self._is_held_by(to):
            return
        if not self._moved(
            "agent_transfer",
            by=Author.of(by),
            at=at,
            where=WAITING | HELD & ~Q(agent=to),
            hands=True,
            metadata={"to": to.pk, "to_name": str(to)},
            status=Status.TRANSFERRED,
            agent=to,
            read_seq=0,
        ) and not self._is_held_by(to):
            raise self._why_not(
                by, with_bot=_("Le bot tient cette conversation : prenez-la d'abord en charge.")
            )

    def release(self: Conversation, agent: User, *, at: datetime, by: Author = SYSTEM) -> bool:
        """The holder is gone: the client waits again, for anyone."""
        return self._moved(
            "agent_release",
            by=by,
            at=at,
            where=HELD & Q(agent=agent),
            hands=True,
            metadata={"to": "queue", "previous_agent": str(agent)},
            agent=None,
            transferred_at=at,
        )

    def end_by_silence(self: Conversation, *, silent_since: datetime, at: datetime) -> bool:
        """The client wrote nothing since that moment; a conversation someone holds is left to him."""
        quiet = Q(last_inbound_at__lt=silent_since) | Q(last_inbound_at=None)
        quiet &= Q(started_at__lt=silent_since)
        status = Status.TIMEOUT if self.status == Status.ACTIVE else Status.ABANDONED
        where = quiet & (BOT if status == Status.TIMEOUT else WAITING)
        return self._ended("timeout", status, by=SYSTEM, at=at, where=where)

    @transaction.atomic
    def continue_in(self: Conversation, other: Conversation, *, at: datetime) -> None:
        """End it without a word to the client, who is the same person as the other conversation's: that one goes on.

        Texts of the bot that still wait are withheld; those of a person leave.
        """
        ended = self._ended(
            "conversation_closed",
            Status.COMPLETED,
            by=SYSTEM,
            at=at,
            where=BOT | WAITING | HELD,
            hands=True,
            metadata={"tell_client": False, "continues_in": other.pk},
        )
        if ended:
            type(self).objects.filter(pk=other.pk).update(
                last_inbound_at=Greatest(
                    "last_inbound_at", Value(self.last_inbound_at, models.DateTimeField())
                )
            )
            other.append("note", by=SYSTEM, at=at, metadata={"continues": self.pk})

    # -- the two ways to change, and why one did not ------------------------------------------------

    def _ended(self: Conversation, kind: str, status: Status, *, at: datetime, **rest: Any) -> bool:
        seconds = max(0, int((at - self.started_at).total_seconds()))
        return self._moved(kind, at=at, status=status, ended_at=at, duration_seconds=seconds, **rest)

    @transaction.atomic
    def _moved(
        self: Conversation,
        kind: str,
        *,
        by: Author,
        at: datetime,
        where: Q,
        hands: bool = False,
        metadata: dict[str, Any] | None = None,
        **fields: Any,
    ) -> bool:
        """Change only what still is as `where` says, so that of two rivals exactly one wins."""
        if hands:
            fields["epoch"] = F("epoch") + 1
        changed = type(self).objects.filter(where, pk=self.pk).update(**fields)
        self.refresh_from_db()
        if changed:
            self.append(kind, by=by, at=at, metadata=metadata)
        return bool(changed)

    def _is_held_by(self: Conversation, user: User) -> bool:
        return self.situation is Situation.HELD and self.agent_id == user.pk

    def _why_not(self: Conversation, by: User, with_bot: str = "") -> Refusal:
        situation = self.situation
        if situation is Situation.ENDED or (situation is Situation.BOT and with_bot):
            return TooLate(self, with_bot if situation is Situation.BOT else "")
        if by.is_supervisor:
            return TooLate(self)
        if situation is Situation.HELD:
            return NotAllowed(
                _("%(agent)s tient cette conversation. Demandez-lui, ou à un superviseur.")
                % {"agent": self.agent}
            )
        return NotAllowed(_("Personne ne tient cette conversation. Prenez-la d'abord en charge."))


def _keep_on_duty(agent: User) -> None:
    """Hold off a deactivation until this transaction ends: nobody is given a conversation on his way out.

    Users are locked before conversations, here as in `release_all`, so that the two never wait for each other.
    """
    if not User.objects.select_for_update(no_key=True).filter(pk=agent.pk, is_active=True).exists():
        raise NotAllowed(_("Le compte de %(agent)s est désactivé.") % {"agent": agent})


def release_all(agent: User, *, at: datetime, by: Author = SYSTEM) -> None:
    """Everything `agent` held goes back to the queue, by id, so that two bulk moves never cross."""
    from relais.conversations.models import Conversation

    User.objects.select_for_update(no_key=True).filter(pk=agent.pk).exists()
    for conversation in Conversation.objects.held_by(agent).order_by("id"):
        conversation.release(agent, at=at, by=by)


def end_silent(
    conversations: Conversations, *, silent_since: datetime, at: datetime, patience: float = 50
) -> int:
    """End those in which the client fell silent, by id; returns how many.

    In slices of 100, each conversation in a transaction of its own, until all are done or `patience` seconds are over:
    less than the minute after which it is called again, so that two never run side by side.
    """
    ended, last, end = 0, 0, time.monotonic() + patience
    silent = conversations.silent_since(silent_since).order_by("id")
    while (a_slice := list(silent.filter(pk__gt=last)[:SLICE])) and (not last or time.monotonic() < end):
        for conversation in a_slice:
            ended += conversation.end_by_silence(silent_since=silent_since, at=at)
        last = a_slice[-1].pk
    return ended
