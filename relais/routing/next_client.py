"""« Suivant »: the agent asks for the client who has waited longest of those within his reach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import NotAllowed
from relais.conversations.lifecycle import lock_active_users
from relais.conversations.models import Conversation
from relais.routing.agent_states import load_of

MAX_ATTEMPTS = 5


class NoNext(StrEnum):
    """Why nobody was assigned."""

    NONE_WAITING = "none_waiting"
    AT_CAPACITY = "at_capacity"


@dataclass(frozen=True)
class Assignment:
    conversation: Conversation | None
    reason: NoNext | None = None


@transaction.atomic
def assign_next(agent: User, *, at: datetime) -> Assignment:
    """Capacity is counted under the lock of the agent's row, which every way of giving him a client takes first."""
    capacity = lock_active_users([agent.pk]).values_list("capacity", flat=True).first()
    if capacity is None:
        raise NotAllowed(_("Le compte de %(agent)s est désactivé.") % {"agent": agent})
    if load_of(agent) >= capacity:
        return Assignment(None, NoNext.AT_CAPACITY)
    for _attempt in range(MAX_ATTEMPTS):
        conversation = _lock_longest_waiting(agent)
        if conversation and conversation.assign(agent, at=at, how="next"):
            return Assignment(conversation)
    return Assignment(None, NoNext.NONE_WAITING)


def _lock_longest_waiting(agent: User) -> Conversation | None:
    """One that nobody is changing right now; if there is none, wait for the first of those being changed."""
    waiting = agent.reachable_conversations().waiting().order_by("transferred_at", "id")
    free: Conversation | None = waiting.select_for_update(skip_locked=True, no_key=True).first()
    return free or waiting.select_for_update(no_key=True).first()
