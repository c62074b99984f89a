"""The history of agents' states. Rows are written by `agent_states.py` alone."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from relais.accounts.models import User
from relais.routing.states import Cause, State

MAX_REASON_CHARACTERS = 80


class AgentState(models.Model):
    """A state that a user had from `since` to `until`, or has if that is null. The rows of a user leave no gap."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="agent_states", db_index=False)
    state = models.CharField(max_length=8, choices=State.choices)
    reason = models.CharField(max_length=MAX_REASON_CHARACTERS, blank=True, default="")
    cause = models.CharField(max_length=10, choices=Cause.choices)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)

    class Meta:
        db_table = "agent_states"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(until=None), name="one_current_state_per_agent"
            ),
            models.CheckConstraint(
                condition=Q(until=None) | Q(until__gte=F("since")), name="agent_state_ends_after_it_began"
            ),
            models.CheckConstraint(condition=Q(state__in=State.values), name="agent_state_is_known"),
            models.CheckConstraint(condition=Q(cause__in=Cause.values), name="agent_state_cause_is_known"),
        ]
        indexes: ClassVar = [models.Index(fields=["user", "since", "id"], name="agent_states_by_time")]

    def __str__(self) -> str:
        return f"{self.state} of user {self.user_id}"
