"""The life cycle of a conversation. Nothing outside this file changes `status`, `agent` or `epoch`.

Opening is the columns' defaults (`inbound.sql`): with the bot, in the main menu. Four situations follow:

    bot (active) · waiting (transferred, no agent) · held (transferred, agent) · ended (the rest)

Every verb is guard → one transaction → conditional change → event; who may do what is in `permissions.py`. Time is a
parameter. `epoch` is the fencing token
(see `states.py`): it grows with `new_epoch=True` and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, models, transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils.translation import gettext as _

from relais.accounts.models import Team, User
from relais.action_errors import ActionRefused, InvalidField, NotAllowed
from relais.company import company_settings
from relais.conversations import permissions
from relais.conversations.errors import StateConflict
from relais.conversations.events import SYSTEM, Author, EventLogMixin
from relais.conversations.querysets import ENDED, HELD, WAITING, WITH_BOT, ConversationQuerySet
from relais.conversations.states import Situation, Status
from relais.undo_limits import UNDO_GRACE

if TYPE_CHECKING:
    from relais.conversations.models import Conversation, ConversationEvent


MAX_CLOSE_REASON_CHARACTERS = 200
END_BATCH_SIZE = 100
MAX_RUN_SECONDS = 50
"""Less than the minute between two runs, so that two never run side by side."""


class LifecycleMixin(EventLogMixin):
    if TYPE_CHECKING:
        status: Any
        agent: Any
        agent_id: Any
        epoch: Any
        started_at: Any
        duration_seconds: Any
        situation: Any
        is_open: Any

    @transaction.atomic
    def start(self: Conversation, agent: User, *, at: datetime) -> None:
        """The agent writes first. In the transaction that creates the conversation, which nobody else has seen yet."""
        started = self._transition(
            "conversation_started",
            by=Author.from_user(agent),
            at=at,
            guard=WITH_BOT,
            new_epoch=True,
            status=Status.TRANSFERRED,
            agent=agent,
            transferred_at=at,
        )
        if not started:
            raise StateConflict(self)

    def ask_for_agent(
        self: Conversation,
        *,
        by: Author,
        at: datetime,
        reason: str = "",
        attributes: Mapping[str, Any] | None = None,
    ) -> bool:
        """Put the client in the queue. Idempotent: true also when it waits or is held; false when it has ended."""
        transferred = self._transition(
            "agent_transfer",
            by=by,
            at=at,
            guard=WITH_BOT,
            metadata=({"reason": reason} if reason else {})
            | ({"attributes": dict(attributes)} if attributes else {}),
            status=Status.TRANSFERRED,
            transferred_at=at,
        )
        return transferred or self.is_open

    @transaction.atomic
    def take_over(self: Conversation, agent: User, *, at: datetime) -> None:
        _lock_active_agent(agent)
        taken = self._transition(
            "agent_takeover",
            by=Author.from_user(agent),
            at=at,
            guard=WITH_BOT | WAITING,
            new_epoch=True,
            status=Status.TRANSFERRED,
            agent=agent,
            transferred_at=Coalesce("transferred_at", at, output_field=models.DateTimeField()),
            read_seq=F("last_inbound_seq"),
        )
        if not taken and not self.is_held_by(agent):
            raise StateConflict(self)

    def assign(self: Conversation, agent: User, *, at: datetime, how: str) -> bool:
        """Give the waiting client to `agent`, in the transaction in which the caller locked him and then this row.

        Like a take-over, except that a conversation of the bot is not taken. False if somebody was faster. `how` is the
        strategy that chose.
        """
        return self._transition(
            "agent_takeover",
            by=Author.from_user(agent),
            at=at,
            guard=WAITING,
            new_epoch=True,
            metadata={"assigned": how},
            agent=agent,
            read_seq=F("last_inbound_seq"),
        )

    def complete(self: Conversation, *, by: Author, at: datetime) -> bool:
        """The bot's flow ended. False when the client waits or an agent holds it; true when it was already ended."""
        return self._end("flow_complete", Status.COMPLETED, by=by, at=at, guard=WITH_BOT) or not self.is_open

    @transaction.atomic
    def close(
        self: Conversation,
        by: User,
        *,
        at: datetime,
        tell_client: bool | None = None,
        undo_seconds: int = 0,
        reason: str = "",
    ) -> None:
        """End it: by the holder, or by a supervisor whoever holds it.

        The client gets the closing text if somebody held it, unless `tell_client` says otherwise. For `undo_seconds`
        that text is held in the outbox, so that `reopen` can undo all. Raises InvalidField without a required `reason`.
        """
        before = self.locked()
        if not reason and permissions.CLOSE.is_allowed(before, by):
            _check_reason_is_optional()
        tell = before.situation is Situation.HELD if tell_client is None else tell_client
        undo = {"seconds": undo_seconds, "status": before.status, "agent": before.agent_id}
        if not self._end(
            "conversation_closed",
            Status.COMPLETED,
            by=Author.from_user(by),
            at=at,
            guard=permissions.CLOSE.guard(by),
            new_epoch=True,
            metadata={"tell_client": tell}
            | ({"undo": undo} if undo_seconds else {})
            | ({"reason": reason} if reason else {}),
        ):
            raise self._refusal(by)

    @transaction.atomic
    def reopen(self: Conversation, by: User, *, at: datetime) -> None:
        """Undo a closing, within seconds and by who closed it; the client learns of neither. Idempotent."""
        closing = self.undoable_closing(by, at=at)
        holder = lock_active_users([closing.metadata["undo"]["agent"]]).first() if closing else None
        locked = self.locked()
        if closing is None or locked.is_open or locked.ended_at != closing.created_at:
            if locked.is_open and locked._last_event_type() == "conversation_reopened":
                return
            raise StateConflict(locked, _("Cette clôture ne peut plus être annulée."), code="too_late")
        for text in locked.deliveries.filter(event__seq__gt=closing.seq):
            if text.state != "refused" and not text.withdraw(at=at):
                raise StateConflict(locked, _("Le client a déjà reçu le texte de clôture."), code="too_late")
        try:
            self._transition(
                "conversation_reopened",
                by=Author.from_user(by),
                at=at,
                guard=ENDED,
                new_epoch=True,
                status=closing.metadata["undo"]["status"],
                agent=holder,
                ended_at=None,
                duration_seconds=None,
            )
        except IntegrityError as already_open:  # by `one_open_conversation_per_client`
            raise StateConflict(
                locked,
                _("Le client a écrit de nouveau : la suite est dans une autre conversation."),
                code="too_late",
            ) from already_open

    def undoable_closing(self: Conversation, by: User, *, at: datetime) -> ConversationEvent | None:
        """The event of the closing that this user can still undo."""
        if self.is_open or not self.ended_at:
            return None
        closing = self.events.filter(
            event_type="conversation_closed", author_id=by.pk, metadata__has_key="undo"
        ).last()
        if closing is None or closing.created_at != self.ended_at:
            return None
        deadline = self.ended_at + timedelta(seconds=closing.metadata["undo"]["seconds"]) + UNDO_GRACE
        return closing if at <= deadline else None

    def _last_event_type(self: Conversation) -> str:
        last = self.events.order_by("-seq").first()
        return last.event_type if last else ""

    @transaction.atomic
    def hand_back(self: Conversation, by: User, *, at: datetime, reason: str = "") -> None:
        """Give the conversation to the bot. Its flow starts anew with the client's next message."""
        metadata = {"to": "bot", "reason": reason, "previous_agent": str(self.locked().agent or "")}
        if not self._transition(
            "agent_release",
            by=Author.from_user(by),
            at=at,
            guard=permissions.HAND_BACK.guard(by),
            new_epoch=True,
            metadata=metadata,
            status=Status.ACTIVE,
            agent=None,
            transferred_at=None,
            current_menu="main_menu",
        ):
            raise self._refusal(by, with_bot=_("Le bot tient déjà cette conversation."))

    @transaction.atomic
    def reassign(self: Conversation, to: User, *, by: User, at: datetime) -> None:
        if not by.is_supervisor:
            raise NotAllowed(_("Seul un superviseur peut réattribuer une conversation."))
        _lock_active_agent(to)
        if not to.reachable_conversations().filter(pk=self.pk).exists():
            raise NotAllowed(_("%(agent)s ne peut pas recevoir cette conversation.") % {"agent": to})
        if self.is_held_by(to):
            return
        if not self._transition(
            "agent_transfer",
            by=Author.from_user(by),
            at=at,
            guard=WAITING | HELD & ~Q(agent=to),
            new_epoch=True,
            metadata={"to": to.pk, "to_name": str(to)},
            status=Status.TRANSFERRED,
            agent=to,
            read_seq=0,
        ) and not self.is_held_by(to):
            raise self._transfer_refusal(by)

    def transfer(self: Conversation, to: User | Team, *, by: User, at: datetime, note: str = "") -> None:
        """The holder or a supervisor gives it away; `note` is for whoever continues."""
        if isinstance(to, Team):
            self.transfer_to_team(to, by=by, at=at, note=note)
        else:
            self.transfer_to_agent(to, by=by, at=at, note=note)

    @transaction.atomic
    def transfer_to_agent(self: Conversation, to: User, *, by: User, at: datetime, note: str = "") -> None:
        """The holder or a supervisor gives it to a colleague, whether he is there or not. `note` is for him."""
        _lock_active_agent(to)
        if not to.reachable_conversations().filter(pk=self.pk).exists():
            raise NotAllowed(_("%(agent)s ne peut pas recevoir cette conversation.") % {"agent": to})
        if self._transition(
            "agent_transfer",
            by=Author.from_user(by),
            at=at,
            guard=permissions.TRANSFER.guard(by) & ~Q(agent=to),
            new_epoch=True,
            metadata={"to": to.pk, "to_name": str(to), "reason": note},
            status=Status.TRANSFERRED,
            agent=to,
            read_seq=0,
        ):
            return
        if not self.is_held_by(to) or not (by == to or by.is_supervisor):
            raise self._transfer_refusal(by)

    @transaction.atomic
    def transfer_to_team(self: Conversation, to: Team, *, by: User, at: datetime, note: str = "") -> None:
        """It belongs to that team from now on, and waits for one of its agents."""
        if self._transition(
            "agent_transfer",
            by=Author.from_user(by),
            at=at,
            guard=permissions.TRANSFER.guard(by) & ~(WAITING & Q(team=to)),
            new_epoch=True,
            metadata={"to_team": to.pk, "to_name": str(to), "reason": note},
            status=Status.TRANSFERRED,
            agent=None,
            team=to,
            transferred_at=at,
        ):
            return
        if self.situation is not Situation.WAITING or self.team_id != to.pk or not by.is_supervisor:
            raise self._transfer_refusal(by)

    def _transfer_refusal(self: Conversation, by: User) -> ActionRefused:
        return self._refusal(by, with_bot=_("Le bot tient cette conversation : prenez-la d'abord en charge."))

    def release(self: Conversation, agent: User, *, at: datetime, by: Author = SYSTEM) -> bool:
        """The holder leaves: the client waits again, for any agent."""
        return self._transition(
            "agent_release",
            by=by,
            at=at,
            guard=HELD & Q(agent=agent),
            new_epoch=True,
            metadata={"to": "queue", "previous_agent": str(agent)},
            agent=None,
            transferred_at=at,
        )

    def end_for_inactivity(self: Conversation, *, inactive_since: datetime, at: datetime) -> bool:
        """End it if the client wrote nothing since that moment and nobody holds it."""
        inactive = Q(last_inbound_at__lt=inactive_since) | Q(last_inbound_at=None)
        inactive &= Q(started_at__lt=inactive_since)
        status = Status.TIMEOUT if self.status == Status.ACTIVE else Status.ABANDONED
        guard = inactive & (WITH_BOT if status == Status.TIMEOUT else WAITING)
        return self._end("timeout", status, by=SYSTEM, at=at, guard=guard)

    @transaction.atomic
    def continue_in(self: Conversation, other: Conversation, *, at: datetime) -> None:
        """End it silently, because its client is the same person as that of `other`, which goes on.

        Queued texts of the bot are withheld; those of a person are sent.
        """
        ended = self._end(
            "conversation_closed",
            Status.COMPLETED,
            by=SYSTEM,
            at=at,
            guard=WITH_BOT | WAITING | HELD,
            new_epoch=True,
            metadata={"tell_client": False, "continues_in": other.pk},
        )
        if ended:
            type(self).objects.filter(pk=other.pk).update(
                last_inbound_at=Greatest(
                    "last_inbound_at", Value(self.last_inbound_at, models.DateTimeField())
                )
            )
            other.append_event("note", by=SYSTEM, at=at, metadata={"continues": self.pk})

    @transaction.atomic
    def resume(self: Conversation, *, status: str, agent: User | None, by: Author, at: datetime) -> bool:
        """Undo `continue_in`: the two are not the same person. False if another one is open for the client.

        Lock the agent before. One who has left since holds nothing: the client waits.
        """
        others = type(self).objects.filter(client=self.client_id, sender=self.sender).open()
        if others.exclude(pk=self.pk).exists():
            return False
        return self._transition(
            "conversation_reopened",
            by=by,
            at=at,
            guard=ENDED,
            new_epoch=True,
            metadata={"separated": True},
            status=status,
            agent=agent,
            ended_at=None,
            duration_seconds=None,
        )

    # -- conditional changes, and why one was refused -----------------------------------------------

    def _end(self: Conversation, event_type: str, status: Status, *, at: datetime, **rest: Any) -> bool:
        seconds = max(0, int((at - self.started_at).total_seconds()))
        return self._transition(
            event_type, at=at, status=status, ended_at=at, duration_seconds=seconds, **rest
        )

    @transaction.atomic
    def _transition(
        self: Conversation,
        event_type: str,
        *,
        by: Author,
        at: datetime,
        guard: Q,
        new_epoch: bool = False,
        metadata: dict[str, Any] | None = None,
        **fields: Any,
    ) -> bool:
        """Update only if the row still satisfies `guard`, so that exactly one of two concurrent callers wins."""
        if new_epoch:
            fields["epoch"] = F("epoch") + 1
        changed = type(self).objects.filter(guard, pk=self.pk).update(**fields)
        self.refresh_from_db()
        if changed:
            self.append_event(event_type, by=by, at=at, metadata=metadata)
        return bool(changed)

    def is_held_by(self: Conversation, user: User) -> bool:
        return self.situation is Situation.HELD and self.agent_id == user.pk

    def _refusal(self: Conversation, by: User, with_bot: str = "") -> ActionRefused:
        situation = self.situation
        if situation is Situation.ENDED or (situation is Situation.BOT and with_bot):
            return StateConflict(self, with_bot if situation is Situation.BOT else "")
        if by.is_supervisor:
            return StateConflict(self)
        if situation is Situation.HELD:
            return NotAllowed(
                _("%(agent)s tient cette conversation. Demandez-lui, ou à un superviseur.")
                % {"agent": self.agent}
            )
        return NotAllowed(_("Personne ne tient cette conversation. Prenez-la d'abord en charge."))


def _check_reason_is_optional() -> None:
    if company_settings.get_value(company_settings.CLOSE_REASON_REQUIRED):
        raise InvalidField("reason_required", _("Indiquez le motif de la clôture."))


def _lock_active_agent(agent: User) -> None:
    """Lock the user's row until the transaction ends, so that no conversation is given to a user being deactivated.

    Lock order: users before conversations, here as in `release_all`, so that the two never deadlock.
    """
    if not lock_active_users([agent.pk]).exists():
        raise NotAllowed(_("Le compte de %(agent)s est désactivé.") % {"agent": agent})


def lock_active_users(ids: Iterable[int | None]) -> QuerySet[User]:
    return User.objects.select_for_update(no_key=True).filter(pk__in=[id for id in ids if id], is_active=True)


def release_all(agent: User, *, at: datetime, by: Author = SYSTEM) -> None:
    """Put everything `agent` holds back in the queue, in id order, so that two bulk changes never deadlock."""
    User.objects.select_for_update(no_key=True).filter(pk=agent.pk).exists()
    for conversation in agent.conversations.held_by(agent).order_by("id"):
        conversation.release(agent, at=at, by=by)


def end_inactive(
    conversations: ConversationQuerySet,
    *,
    inactive_since: datetime,
    at: datetime,
    max_seconds: float = MAX_RUN_SECONDS,
) -> int:
    """End those whose client wrote nothing since `inactive_since`; returns how many.

    In id order and batches, each conversation in a transaction of its own, until all are done or `max_seconds` are
    over. The first batch is always done.
    """
    ended, last_id, deadline = 0, 0, time.monotonic() + max_seconds
    inactive = conversations.inactive_since(inactive_since).order_by("id")
    while (batch := list(inactive.filter(pk__gt=last_id)[:END_BATCH_SIZE])) and (
        not last_id or time.monotonic() < deadline
    ):
        for conversation in batch:
            ended += conversation.end_for_inactivity(inactive_since=inactive_since, at=at)
        last_id = batch[-1].pk
    return ended
