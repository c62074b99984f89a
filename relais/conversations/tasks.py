"""Jobs of conversations: periodic ones, and those of received files."""

from datetime import UTC, datetime, timedelta

from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from relais.company import company_settings
from relais.conversations import file_checks
from relais.conversations.lifecycle import end_inactive
from relais.conversations.models import Conversation
from relais.conversations.scheduled_messages import ScheduledMessage, delete_finished, send_due
from relais.conversations.snooze import end_due_snoozes


@app.task(name="relais.conversations.tasks.end_silent_conversations", queueing_lock="end_silent", priority=1)
def end_inactive_conversations(timestamp: int) -> None:
    at = datetime.fromtimestamp(timestamp, UTC)
    inactive_since = at - timedelta(hours=company_settings.get_value(company_settings.INACTIVITY_HOURS))
    end_inactive(Conversation.objects.all(), inactive_since=inactive_since, at=at)


@app.task(name="relais.conversations.tasks.end_snoozes", queueing_lock="end_snoozes", priority=1)
def end_snoozes(timestamp: int) -> None:
    end_due_snoozes(Conversation.objects.all(), at=datetime.fromtimestamp(timestamp, UTC))


# In the queue of downloads: they take processor time, and no slot from the bot.
@app.task(
    name="relais.conversations.tasks.preview_media",
    queue="media",
    retry=RetryStrategy(max_attempts=file_checks.MAX_PREVIEW_ATTEMPTS, exponential_wait=4),
)
def preview_media(media_id: int) -> None:
    file_checks.preview(media_id, at=timezone.now())


@app.task(name="relais.conversations.tasks.scan_media", queue="media", retry=file_checks.ScanRetryStrategy())
def scan_media(media_id: int) -> None:
    file_checks.scan(media_id)


@app.task(
    name="relais.conversations.tasks.defer_overdue_previews", queueing_lock="overdue_previews", priority=1
)
def defer_overdue_previews(timestamp: int) -> None:
    file_checks.defer_overdue_previews(at=datetime.fromtimestamp(timestamp, UTC))


@app.task(name="relais.conversations.tasks.send_scheduled", queueing_lock="send_scheduled", priority=1)
def send_scheduled(timestamp: int) -> None:
    """At the clock's time and not at the planned one, which is past if the job had to wait."""
    send_due(ScheduledMessage.objects.all(), at=timezone.now())


@app.task(
    name="relais.conversations.tasks.delete_finished_scheduled",
    queueing_lock="delete_finished_scheduled",
    priority=1,
)
def delete_finished_scheduled(timestamp: int) -> None:
    delete_finished(ScheduledMessage.objects.all(), at=datetime.fromtimestamp(timestamp, UTC))
