"""What an event entails, all in one place; `append` and `receive` call it inside their transaction.

Clients write by the hundred, and most of what they write entails only that the bot looks: `of_received` carries out
many at once, and loads only the events of which more is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection
from procrastinate.contrib.django import app

from relais.company import company_settings
from relais.conversations.events import SYSTEM
from relais.conversations.models import ConversationEvent

if TYPE_CHECKING:
    from relais.conversations.inbound import Received

RUN_BOTS = """
select procrastinate_defer_jobs_v1(array_agg(
    row('default', 'relais.flows.tasks.run_bot', 0, 'bot:' || id, null, jsonb_build_object('conversation_id', id), null)
        ::procrastinate_job_to_defer_v1 order by id))
  from unnest(%s::bigint[]) as t(id)
"""


def of(event: ConversationEvent, *, at: datetime) -> None:
    for consequence in CONSEQUENCES.get(event.event_type, ()):
        consequence(event, at)


def tell_who_answers_now(event: ConversationEvent, at: datetime) -> None:
    event.conversation.say_by_itself(
        company_settings.render_text(company_settings.TAKE_OVER_TEXT), by=SYSTEM, at=at
    )


def tell_it_is_closed(event: ConversationEvent, at: datetime) -> None:
    if event.metadata.get("tell_client"):
        event.conversation.say_by_itself(
            company_settings.render_text(company_settings.CLOSE_TEXT), by=SYSTEM, at=at
        )


def ask_for_patience(event: ConversationEvent, at: datetime) -> None:
    """Only where the message came to us directly: Studio says its own waiting text when told that it is due."""
    if event.waiting_due and event.metadata.get("bot_here"):
        conversation = event.conversation
        conversation.say_by_itself(
            company_settings.render_text(company_settings.WAITING_TEXT),
            by=SYSTEM,
            at=at,
            epoch=conversation.epoch,
        )


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
        app.configure_task("relais.whatsapp.tasks.fetch_media", allow_unknown=True, queue="media").defer(
            media_id=media.pk
        )


CONSEQUENCES: dict[str, tuple[Callable[[ConversationEvent, datetime], None], ...]] = {
    "agent_takeover": (tell_who_answers_now, end_the_bot_at_twilio),
    "agent_release": (end_the_bot_at_twilio,),
    "agent_transfer": (end_the_bot_at_twilio,),
    "conversation_closed": (tell_it_is_closed, end_the_bot_at_twilio),
    "message_received": (ask_for_patience, fetch_media),
}


def of_received(received: Sequence[Received], *, at: datetime) -> None:
    """What messages of clients entail that were stored in this transaction; only `receive` makes such events."""
    asked = [message.event_id for message in received if message.waiting_due or message.has_media]
    if asked:
        events = ConversationEvent.objects.filter(pk__in=asked).select_related("conversation")
        for event in events.order_by("id"):
            of(event, at=at)
    let_the_bots_answer(message for message in received if message.bot_here)


def let_the_bots_answer(received: Iterable[Received]) -> None:
    """One job for each conversation, one after the other in it; one that finds nothing to do does nothing."""
    if settings.ENVIRONMENT.bot != "embedded":
        return
    # The many in one statement: to defer them one by one costs more than to store the messages.
    if conversations := {message.conversation_id for message in received if not message.is_held}:
        with connection.cursor() as cursor:
            cursor.execute(RUN_BOTS, [sorted(conversations)])
