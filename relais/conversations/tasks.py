"""Periodic jobs of conversations."""

from datetime import UTC, datetime, timedelta

from procrastinate.contrib.django import app

from relais.company import company_settings
from relais.conversations.lifecycle import end_inactive
from relais.conversations.models import Conversation
from relais.conversations.snooze import end_due_snoozes


@app.task(name="relais.conversations.tasks.end_silent_conversations", queueing_lock="end_silent", priority=1)
def end_inactive_conversations(timestamp: int) -> None:
    at = datetime.fromtimestamp(timestamp, UTC)
    inactive_since = at - timedelta(hours=company_settings.get_value(company_settings.INACTIVITY_HOURS))
    end_inactive(Conversation.objects.all(), inactive_since=inactive_since, at=at)


@app.task(name="relais.conversations.tasks.end_snoozes", queueing_lock="end_snoozes", priority=1)
def end_snoozes(timestamp: int) -> None:
    end_due_snoozes(Conversation.objects.all(), at=datetime.fromtimestamp(timestamp, UTC))
