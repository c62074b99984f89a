"""Slow work of the Twilio door. Jobs carry ids and decide nothing."""

import logging
from datetime import timedelta

from django.utils import timezone
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

from relais.conversations.models import Conversation, Media, MediaState

log = logging.getLogger(__name__)
BEGAN = timezone.now() - timedelta(seconds=5)
"""When this process did, and with it a new desk: the first look at Twilio's log comes up to a minute later, and its
dates are cut to the second."""
MOST_TRIES = 10
TRIES = RetryStrategy(max_attempts=MOST_TRIES, exponential_wait=3)


@app.task(name="relais.whatsapp.tasks.fetch_media", retry=TRIES, pass_context=True)
def fetch_media(context: JobContext, media_id: int) -> None:
    from relais.whatsapp.media import fetch, give_up

    waiting = Media.objects.filter(pk=media_id, state=MediaState.WAITING)
    for media in waiting.select_related("event__conversation"):
        try:
            fetch(media)
        except Exception as error:
            if context.job.attempts < MOST_TRIES:
                raise
            log.warning("media given up", extra={"media": media.pk, "why": type(error).__name__})
            give_up(media)


@app.task(name="relais.whatsapp.tasks.end_executions", retry=TRIES)
def end_executions(conversation_id: int) -> None:
    from relais.whatsapp.executions import end_executions_of

    end_executions_of(Conversation.objects.select_related("address").get(pk=conversation_id))


@app.task(name="relais.whatsapp.tasks.look_up_message", retry=TRIES)
def look_up_message(sid: str) -> None:
    from relais.whatsapp.overheard import write_down

    write_down(sid, at=timezone.now())


@app.periodic(cron="* * * * *")
@app.task(name="relais.whatsapp.tasks.look_at_log", queueing_lock="look_at_log", priority=1)
def look_at_log(timestamp: int) -> None:
    from relais.whatsapp import reconcile

    reconcile.look(began=BEGAN)


@app.periodic(cron="17 * * * *")
@app.task(name="relais.whatsapp.tasks.look_back_in_log", queueing_lock="look_back_in_log", priority=1)
def look_back_in_log(timestamp: int) -> None:
    from relais.whatsapp import reconcile

    reconcile.look_back(began=BEGAN)
