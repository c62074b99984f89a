"""Slow work of the Twilio door. Jobs carry ids and decide nothing."""

import logging
from datetime import timedelta

from django.utils import timezone
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from relais.conversations.models import Conversation, Media, MediaState

log = logging.getLogger(__name__)
BEGAN = timezone.now() - timedelta(seconds=5)
"""When this process did, and with it a new desk: the first look at Twilio's log comes up to a minute later, and its
dates are cut to the second."""
MOST_TRIES = 10
TRIES = RetryStrategy(max_attempts=MOST_TRIES, exponential_wait=3)


MAX_MEDIA_PAUSE_SECONDS = 3600
MAX_MEDIA_TRIES = 31
"""With pauses of 3, 9, 27 … seconds up to an hour each: a day in all."""


class MediaRetryStrategy(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if job.attempts >= MAX_MEDIA_TRIES:
            return None
        pause: float = min(MAX_MEDIA_PAUSE_SECONDS, 3 ** min(job.attempts + 1, 10))
        asked_for = getattr(exception, "retry_after", None) or getattr(exception, "seconds", None) or 0.0
        return RetryDecision(retry_in={"seconds": int(max(pause, asked_for))})


# In a queue of its own: a slow host keeps no bot waiting.
@app.task(
    name="relais.whatsapp.tasks.fetch_media", queue="media", retry=MediaRetryStrategy(), pass_context=True
)
def fetch_media(context: JobContext, media_id: int) -> None:
    from relais.whatsapp.media.download import fetch, give_up

    waiting = Media.objects.filter(pk=media_id, state=MediaState.WAITING)
    for media in waiting.select_related("event__conversation"):
        try:
            fetch(media)
        except Exception as error:
            if context.job.attempts < MAX_MEDIA_TRIES:
                raise
            log.warning("media given up", extra={"media": media.pk, "why": type(error).__name__})
            give_up(media)


@app.task(name="relais.whatsapp.tasks.end_executions", retry=TRIES)
def end_executions(conversation_id: int) -> None:
    from relais.whatsapp.studio_executions import end_executions_of

    end_executions_of(Conversation.objects.select_related("address").get(pk=conversation_id))


@app.task(name="relais.whatsapp.tasks.look_up_message", retry=TRIES)
def look_up_message(sid: str) -> None:
    from relais.whatsapp.reconcile.studio_messages import write_down

    write_down(sid, at=timezone.now())


@app.periodic(cron="* * * * *")
@app.task(name="relais.whatsapp.tasks.look_at_log", queueing_lock="look_at_log", priority=1)
def look_at_log(timestamp: int) -> None:
    from relais.whatsapp.reconcile import schedule

    schedule.look(began=BEGAN)


@app.periodic(cron="17 * * * *")
@app.task(name="relais.whatsapp.tasks.look_back_in_log", queueing_lock="look_back_in_log", priority=1)
def look_back_in_log(timestamp: int) -> None:
    from relais.whatsapp.reconcile import schedule

    schedule.look_back(began=BEGAN)
