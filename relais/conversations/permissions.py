"""What a user may do with one conversation: take over, write, resend, close, hand back, transfer, snooze.

The rules of the holder's actions stand here once. The verbs enforce them in the statement that changes the row; the
pages read them to show buttons.

« Renvoyer » and « C'est arrivé » need both `is_resendable` (of the message: its fragment is the same for every viewer)
and `may_resend` (of the viewer: `bubble.css` shows the buttons by the page's `data-may-resend`). Which views a role may
open at all is in `relais.accounts.permissions`; which conversations a user may see is `User.reachable_conversations()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet

from relais.accounts.models import User
from relais.conversations.querysets import HELD, WAITING, WITH_BOT
from relais.conversations.service_window import send_obstacle
from relais.conversations.states import Situation
from relais.conversations.twilio_errors import twilio_error

if TYPE_CHECKING:
    from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery

PROBLEM_STATES = ("failed", "refused", "uncertain")
# Reasons after which a resend makes no sense: a take-over, the end or its author cancelled the message.
FINAL_REASONS = ("taken_over", "ended", "resent", "undone")

CONDITIONS = {Situation.BOT: WITH_BOT, Situation.WAITING: WAITING, Situation.HELD: HELD}


@dataclass(frozen=True)
class HolderAction:
    """An action of the agent who holds the conversation, and of supervisors whoever holds it."""

    supervisor_situations: tuple[Situation, ...]
    """Where supervisors may do it."""

    def is_allowed(self, conversation: Conversation, user: User) -> bool:
        is_supervised = user.is_supervisor and conversation.situation in self.supervisor_situations
        return is_supervised or conversation.is_held_by(user)

    def guard(self, user: User) -> Q:
        """The condition on the row under which `user` may do it."""
        if not user.is_supervisor:
            return HELD & Q(agent=user)
        guard = Q()
        for situation in self.supervisor_situations:
            guard |= CONDITIONS[situation]
        return guard


CLOSE = HolderAction((Situation.BOT, Situation.WAITING, Situation.HELD))
HAND_BACK = HolderAction((Situation.WAITING, Situation.HELD))
TRANSFER = HolderAction((Situation.WAITING, Situation.HELD))
SNOOZE = HolderAction((Situation.HELD,))


@dataclass(frozen=True)
class Permissions:
    """Permissions of one user on one conversation, for the templates."""

    situation: str
    is_mine: bool
    may_take_over: bool
    may_close: bool
    may_choose_to_notify: bool
    """Nobody holds it: the supervisor who closes it decides whether the client is notified."""
    may_hand_back: bool
    may_snooze: bool
    may_transfer: bool
    window_closes_at: datetime | None
    write_blocked_by: str
    """Why WhatsApp takes no text now, even from the holder: `window_closed`, `opted_out` or empty."""

    @property
    def may_write(self) -> bool:
        return self.is_mine and not self.write_blocked_by

    @property
    def may_resend(self) -> bool:
        """« Renvoyer » and « C'est arrivé », on the messages that are resendable."""
        return self.is_mine


def permissions_for(conversation: Conversation, user: User, *, at: datetime) -> Permissions:
    situation = conversation.situation
    window_closes_at = conversation.window_closes_at()
    return Permissions(
        situation=situation.value,
        is_mine=conversation.is_held_by(user),
        may_take_over=situation in (Situation.BOT, Situation.WAITING),
        may_close=CLOSE.is_allowed(conversation, user),
        may_choose_to_notify=situation in (Situation.BOT, Situation.WAITING),
        may_snooze=SNOOZE.is_allowed(conversation, user),
        may_hand_back=HAND_BACK.is_allowed(conversation, user),
        may_transfer=TRANSFER.is_allowed(conversation, user),
        window_closes_at=window_closes_at,
        write_blocked_by=send_obstacle(conversation, window_closes_at, at=at),
    )


def is_resendable(event: ConversationEvent, delivery: MessageDelivery) -> bool:
    """Whether a message offers « Renvoyer » at all, to whoever `may_resend`."""
    is_problem = delivery.state in PROBLEM_STATES and delivery.reason not in FINAL_REASONS
    if delivery.state == "failed" and not twilio_error(delivery.error_code).resend_helps:
        return False
    return is_problem and not event.is_to_other and not event.resends.all()


def assignable_agents(conversation: Conversation) -> QuerySet[User]:
    """The users to offer for `reassign`: all who may see the conversation, except its holder."""
    users = User.objects.reaching_team(conversation.team_id)
    return users.exclude(pk=conversation.agent_id) if conversation.agent_id else users
