"""Where a conversation stands for one reader: what he may do with it, and what stands in the composer's place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from relais.accounts.models import User
from relais.accounts.roles import Role, roles_at_least
from relais.conversations.lifecycle import Situation
from relais.conversations.models import Conversation


@dataclass(frozen=True)
class Standing:
    """What the templates ask; every verb guards itself as well."""

    situation: str
    is_mine: bool
    may_take_over: bool
    may_close: bool
    may_choose_to_tell: bool
    """Nobody held it: the client is told of the end only if the supervisor wishes."""
    may_hand_back: bool
    may_reassign: bool
    window_closes: datetime | None
    silence: str
    """Why the holder cannot write now: window_closed, opted_out or empty."""

    @property
    def may_write(self) -> bool:
        return self.is_mine and not self.silence

    @property
    def does_something(self) -> bool:
        return self.may_take_over or self.may_close or self.may_hand_back or self.may_reassign


def standing_of(conversation: Conversation, reader: User, *, at: datetime) -> Standing:
    situation = conversation.situation
    is_mine = situation is Situation.HELD and conversation.agent_id == reader.pk
    leads = reader.is_supervisor
    closes = conversation.window_closes_at()
    return Standing(
        situation=situation.value,
        is_mine=is_mine,
        may_take_over=situation in (Situation.BOT, Situation.WAITING),
        may_close=conversation.is_open and (is_mine or leads),
        may_choose_to_tell=situation in (Situation.BOT, Situation.WAITING),
        may_hand_back=is_mine or (leads and situation in (Situation.WAITING, Situation.HELD)),
        may_reassign=leads and situation in (Situation.WAITING, Situation.HELD),
        window_closes=closes,
        silence=_silence(conversation, closes, at),
    )


def _silence(conversation: Conversation, closes: datetime | None, at: datetime) -> str:
    if conversation.opted_out_since():
        return "opted_out"
    return "" if closes and at < closes else "window_closed"


def could_hold(conversation: Conversation) -> QuerySet[User]:
    """Whom a supervisor may choose: those within whose reach it is, save who holds it. `reassign` decides."""
    users = User.objects.active()
    if conversation.team_id:
        users = users.filter(Q(team=conversation.team_id) | Q(role__in=roles_at_least(Role.SUPERVISOR)))
    return users.exclude(pk=conversation.agent_id) if conversation.agent_id else users
