"""Slow work of the Twilio door. Jobs carry ids and decide nothing."""

from datetime import timedelta

from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from relais.conversations.models import Conversation, Media, MediaState

BEGAN = timezone.now() - timedelta(seconds=5)
"""When this process did, and with it a new desk: the first look at Twilio's log comes up to a minute later, and its
dates are cut to the second."""
TRIES = RetryStrategy(max_attempts=10, exponential_wait=3)


@app.task(name="relais.whatsapp.tasks.fetch_media", retry=TRIES)
def fetch_media(media_id: int) -> None:
    from relais.whatsapp.media import fetch

    waiting = Media.objects.filter(pk=media_id, state=MediaState.WAITING)
    for media in waiting.select_related("event__conversation"):
        fetch(media)


@app.task(name="relais.whatsapp.tasks.end_executions", retry=TRIES)
def end_executions(conversation_id: int) -> None:
    from relais.whatsapp.executions import end_executions_of

    end_executions_of(Conversation.objects.select_related("address").get(pk=conversation_id))


@app.task(name="relais.whatsapp.tasks.look_up_message", retry=TRIES)
def look_up_message(sid: str) -> None:
    from relais.whatsapp.overheard import write_down

    write_down(sid, at=timezone.now())


@app.periodic(cron="* * * * *")
@app.task(name="relais.whatsapp.tasks.look_at_log", queueing_lock="look_at_log")
def look_at_log(timestamp: int) -> None:
    from relais.whatsapp import reconcile

    reconcile.look(began=BEGAN)


@app.periodic(cron="17 * * * *")
@app.task(name="relais.whatsapp.tasks.look_back_in_log", queueing_lock="look_back_in_log")
def look_back_in_log(timestamp: int) -> None:
    from relais.whatsapp import reconcile

    reconcile.look_back(began=BEGAN)
