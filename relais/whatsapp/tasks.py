"""Slow work of the Twilio door. Jobs carry ids and decide nothing."""

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from relais.conversations.models import Media, MediaState

TRIES = RetryStrategy(max_attempts=10, exponential_wait=3)


@app.task(name="relais.whatsapp.tasks.fetch_media", retry=TRIES)
def fetch_media(media_id: int) -> None:
    from relais.whatsapp.media import fetch

    waiting = Media.objects.filter(pk=media_id, state=MediaState.WAITING)
    for media in waiting.select_related("event__conversation"):
        fetch(media)
