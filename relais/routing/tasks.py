"""Periodic jobs of routing."""

from django.utils import timezone
from procrastinate.contrib.django import app

from relais.routing.agent_states import apply_all_due_changes


@app.task(name="relais.routing.tasks.apply_presence", queueing_lock="apply_presence", priority=1)
def apply_presence(timestamp: int) -> None:
    """By the clock, not by `timestamp`: a job that waited would date changes to a moment that has passed."""
    apply_all_due_changes(at=timezone.now())
