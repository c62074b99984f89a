"""What a user may do with one conversation: take over, write, resend, close, hand back, transfer.

This decides which buttons a page shows. It is not the enforcement: every verb of `lifecycle` and `outbound` has a
guard. « Renvoyer » and « C'est arrivé » need both `is_resendable` (of the message: its fragment is the same for every
viewer) and `may_resend` (of the viewer: `bubble.css` shows the buttons by the page's `data-may-resend`). Which views a
role may open at all is in `relais.accounts.permissions`; which conversations a user may see is
`User.reachable_conversations()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from relais.accounts.models import User
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.conversations.service_window import send_obstacle
from relais.conversations.states import Situation

PROBLEM_STATES = ("failed", "refused", "uncertain")
# Reasons after which a resend makes no sense: a take-over, the end or its author cancelled the message.
FINAL_REASONS = ("taken_over", "ended", "resent", "undone")


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
    is_mine = situation is Situation.HELD and conversation.agent_id == user.pk
    is_supervisor = user.is_supervisor
    window_closes_at = conversation.window_closes_at()
    return Permissions(
        situation=situation.value,
        is_mine=is_mine,
        may_take_over=situation in (Situation.BOT, Situation.WAITING),
        may_close=conversation.may_be_closed_by(user),
        may_choose_to_notify=situation in (Situation.BOT, Situation.WAITING),
        may_snooze=situation is Situation.HELD and (is_mine or is_supervisor),
        may_hand_back=is_mine or (is_supervisor and situation in (Situation.WAITING, Situation.HELD)),
        may_transfer=is_mine or (is_supervisor and situation in (Situation.WAITING, Situation.HELD)),
        window_closes_at=window_closes_at,
        write_blocked_by=send_obstacle(conversation, window_closes_at, at=at),
    )


def is_resendable(event: ConversationEvent, delivery: MessageDelivery) -> bool:
    """Whether a message offers « Renvoyer » at all, to whoever `may_resend`."""
    is_problem = delivery.state in PROBLEM_STATES and delivery.reason not in FINAL_REASONS
    return is_problem and not event.is_to_other and not event.resends.all()


def assignable_agents(conversation: Conversation) -> QuerySet[User]:
    """The users to offer for `reassign`: all who may see the conversation, except its holder."""
    users = User.objects.reaching_team(conversation.team_id)
    return users.exclude(pk=conversation.agent_id) if conversation.agent_id else users
