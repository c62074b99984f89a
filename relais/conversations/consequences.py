"""What an event entails, all in one place; `append` and `receive` call it inside their transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from procrastinate.contrib.django import app

from relais.company import words
from relais.conversations.history import SYSTEM
from relais.conversations.lifecycle import Situation
from relais.conversations.models import ConversationEvent


def of(event: ConversationEvent, *, at: datetime) -> None:
    for consequence in CONSEQUENCES.get(event.event_type, ()):
        consequence(event, at)


def tell_who_answers_now(event: ConversationEvent, at: datetime) -> None:
    event.conversation.say_by_itself(words.text_of(words.TAKE_OVER_TEXT), by=SYSTEM, at=at)


def tell_it_is_closed(event: ConversationEvent, at: datetime) -> None:
    if event.metadata.get("tell_client"):
        event.conversation.say_by_itself(words.text_of(words.CLOSE_TEXT), by=SYSTEM, at=at)


def ask_for_patience(event: ConversationEvent, at: datetime) -> None:
    """Only where the message came to us directly: Studio says its own waiting text when told that it is due."""
    if event.waiting_due and event.metadata.get("bot_here"):
        conversation = event.conversation
        conversation.say_by_itself(
            words.text_of(words.WAITING_TEXT), by=SYSTEM, at=at, epoch=conversation.epoch
        )


def let_the_bot_answer(event: ConversationEvent, at: datetime) -> None:
    """One job after the other in a conversation; one that finds nothing to do does nothing."""
    held = event.conversation.situation is Situation.HELD
    if event.metadata.get("bot_here") and settings.ENVIRONMENT.bot == "embedded" and not held:
        job = app.configure_task(
            "relais.flows.tasks.run_bot", lock=f"bot:{event.conversation_id}", allow_unknown=True
        )
        job.defer(conversation_id=event.conversation_id)


def end_the_bot_at_twilio(event: ConversationEvent, at: datetime) -> None:
    """A flow that waits at Twilio would take the client's next word for its answer. Ours ends by a trigger."""
    if event.event_type == "agent_transfer" and "to" not in event.metadata:
        return  # The flow itself asked for an agent, and goes on.
    app.configure_task("relais.whatsapp.tasks.end_executions", allow_unknown=True).defer(
        conversation_id=event.conversation_id
    )


def fetch_media(event: ConversationEvent, at: datetime) -> None:
    """By name: the job belongs to the door that knows where the bytes lie."""
    for media in event.media.all() if event.metadata.get("media") else ():
        app.configure_task("relais.whatsapp.tasks.fetch_media", allow_unknown=True).defer(media_id=media.pk)


CONSEQUENCES: dict[str, tuple[Callable[[ConversationEvent, datetime], None], ...]] = {
    "agent_takeover": (tell_who_answers_now, end_the_bot_at_twilio),
    "agent_release": (end_the_bot_at_twilio,),
    "agent_transfer": (end_the_bot_at_twilio,),
    "conversation_closed": (tell_it_is_closed, end_the_bot_at_twilio),
    "message_received": (ask_for_patience, fetch_media, let_the_bot_answer),
}
