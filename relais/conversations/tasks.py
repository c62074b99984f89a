"""Periodic jobs of conversations."""

from datetime import UTC, datetime, timedelta

from procrastinate.contrib.django import app

from relais.company import company_settings
from relais.conversations.lifecycle import end_inactive
from relais.conversations.models import Conversation


@app.task(name="relais.conversations.tasks.end_silent_conversations", queueing_lock="end_silent", priority=1)
def end_inactive_conversations(timestamp: int) -> None:
    at = datetime.fromtimestamp(timestamp, UTC)
    inactive_since = at - timedelta(hours=company_settings.get_value(company_settings.INACTIVITY_HOURS))
    end_inactive(Conversation.objects.all(), inactive_since=inactive_since, at=at)
