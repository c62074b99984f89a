"""What a user may do with one conversation: take over, write, close, hand back, reassign.

This decides which buttons a page shows, except those of a single message (« Renvoyer », « C'est arrivé »): `bubble.css`
shows these to the holder, by `data-mine`. It is not the enforcement: every verb of `lifecycle` and `outbound` has a
guard. Which views a role may open at all is in `relais.accounts.permissions`; which conversations a user may see is
`User.reachable_conversations()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from relais.accounts.models import User
from relais.accounts.roles import Role, roles_at_least
from relais.conversations.models import Conversation
from relais.conversations.states import Situation


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
    may_reassign: bool
    window_closes_at: datetime | None
    write_blocked_by: str
    """Why WhatsApp takes no text now, even from the holder: `window_closed`, `opted_out` or empty."""

    @property
    def may_write(self) -> bool:
        return self.is_mine and not self.write_blocked_by


def permissions_for(conversation: Conversation, user: User, *, at: datetime) -> Permissions:
    situation = conversation.situation
    is_mine = situation is Situation.HELD and conversation.agent_id == user.pk
    is_supervisor = user.is_supervisor
    window_closes_at = conversation.window_closes_at()
    return Permissions(
        situation=situation.value,
        is_mine=is_mine,
        may_take_over=situation in (Situation.BOT, Situation.WAITING),
        may_close=conversation.is_open and (is_mine or is_supervisor),
        may_choose_to_notify=situation in (Situation.BOT, Situation.WAITING),
        may_hand_back=is_mine or (is_supervisor and situation in (Situation.WAITING, Situation.HELD)),
        may_reassign=is_supervisor and situation in (Situation.WAITING, Situation.HELD),
        window_closes_at=window_closes_at,
        write_blocked_by=_write_blocked_by(conversation, window_closes_at, at),
    )


def _write_blocked_by(conversation: Conversation, window_closes_at: datetime | None, at: datetime) -> str:
    if conversation.opted_out_since():
        return "opted_out"
    return "" if window_closes_at and at < window_closes_at else "window_closed"


def assignable_agents(conversation: Conversation) -> QuerySet[User]:
    """The users to offer for `reassign`: all who may see the conversation, except its holder."""
    users = User.objects.active()
    if conversation.team_id:
        users = users.filter(Q(team=conversation.team_id) | Q(role__in=roles_at_least(Role.SUPERVISOR)))
    return users.exclude(pk=conversation.agent_id) if conversation.agent_id else users
