"""Background jobs of this room. A job carries ids and calls one function.

The functions are imported late: procrastinate loads this module in every process, and Twilio's SDK takes half a second.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from django.utils import timezone
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

from relais.whatsapp.media.retry import MediaRetryStrategy

PROCESS_STARTED_AT = timezone.now() - timedelta(seconds=5)
"""A new desk reconciles since then: its first poll comes up to a minute later. Twilio's dates are cut to the second."""
TWILIO_API_RETRY = RetryStrategy(max_attempts=10, exponential_wait=3)


# In a queue of its own: slow downloads take no slot from the bot.
@app.task(
    name="relais.whatsapp.tasks.fetch_media", queue="media", retry=MediaRetryStrategy(), pass_context=True
)
def fetch_media(context: JobContext, media_id: int) -> None:
    from relais.whatsapp.media import download

    download.fetch_or_give_up(media_id, attempts=context.job.attempts)


@app.task(name="relais.whatsapp.tasks.end_executions", retry=TWILIO_API_RETRY)
def end_executions(conversation_id: int) -> None:
    from relais.whatsapp import studio_executions

    studio_executions.end_executions(conversation_id)


@app.task(name="relais.whatsapp.tasks.look_up_message", retry=TWILIO_API_RETRY)
def look_up_message(sid: str) -> None:
    from relais.whatsapp.reconcile import studio_messages

    studio_messages.record(sid, at=timezone.now())


# In a queue of its own: slow responses of Twilio take no slot from the bot. Not retried: it would come too late.
@app.task(name="relais.whatsapp.tasks.show_typing", queue="typing")
def show_typing(conversation_id: int, user_id: int | None, reported_at: str) -> None:
    from relais.whatsapp.outbound import typing_indicator

    typing_indicator.show_typing(
        conversation_id, user_id, reported_at=datetime.fromisoformat(reported_at), at=timezone.now()
    )


@app.task(name="relais.whatsapp.tasks.look_at_log", queueing_lock="look_at_log", priority=1)
def poll_recent_log(timestamp: int) -> None:
    from relais.whatsapp.reconcile import log_polls

    log_polls.poll_recent(started_at=PROCESS_STARTED_AT)


@app.task(name="relais.whatsapp.tasks.sync_templates", queueing_lock="sync_templates", priority=1)
def sync_templates(timestamp: int) -> None:
    from relais.whatsapp.content import template_sync

    if template_sync.is_due(started_at=PROCESS_STARTED_AT, at=timezone.now()):
        # The failure is recorded for the page, and the next run is soon.
        with suppress(template_sync.TemplatesNotRead):
            template_sync.sync_templates(at=timezone.now())


@app.task(name="relais.whatsapp.tasks.look_back_in_log", queueing_lock="look_back_in_log", priority=1)
def poll_log_backlog(timestamp: int) -> None:
    from relais.whatsapp.reconcile import log_polls

    log_polls.poll_backlog(started_at=PROCESS_STARTED_AT)
