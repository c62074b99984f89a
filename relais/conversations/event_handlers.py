"""The side effects of events, all in one place. `AppConfig.ready` imports this file, which registers them.

Handlers run in the transaction that appends the event; slow work is a job that they defer. Clients write by the
hundred, and most messages only need the bot's job: `handle_ingested` defers those in bulk, and loads only the events
that need more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.conf import settings
from django.db import connection
from procrastinate.contrib.django import app

from relais.company import company_settings
from relais.conversations.event_types import EventType
from relais.conversations.events import SYSTEM, handles, run_handlers, run_ingest_handlers
from relais.conversations.inbound_messages import IngestedMessage
from relais.conversations.models import ConversationEvent

DEFER_BOT_JOBS = """
select procrastinate_defer_jobs_v1(array_agg(
    row('default', 'relais.flows.tasks.run_bot', 0, 'bot:' || id, null, jsonb_build_object('conversation_id', id), null)
        ::procrastinate_job_to_defer_v1 order by id))
  from unnest(%s::bigint[]) as t(id)
"""


@handles(EventType.AGENT_TAKEOVER)
def send_take_over_text(event: ConversationEvent, at: datetime) -> None:
    event.conversation.send_automatic(
        company_settings.render_text(company_settings.TAKE_OVER_TEXT), by=SYSTEM, at=at
    )


@handles(EventType.CONVERSATION_CLOSED)
def send_close_text(event: ConversationEvent, at: datetime) -> None:
    if event.metadata.get("tell_client"):
        event.conversation.send_automatic(
            company_settings.render_text(company_settings.CLOSE_TEXT),
            by=SYSTEM,
            at=at,
            undo_seconds=event.metadata.get("undo", {}).get("seconds", 0),
        )


@handles(EventType.AGENT_MESSAGE)
def forget_snooze(event: ConversationEvent, at: datetime) -> None:
    event.conversation.forget_snooze()


@handles(EventType.MESSAGE_RECEIVED)
def send_waiting_text(event: ConversationEvent, at: datetime) -> None:
    """Only if the message came to us directly: Studio sends its own waiting text when `waiting_due` is true."""
    if event.waiting_due and event.metadata.get("bot_here"):
        conversation = event.conversation
        conversation.send_automatic(
            company_settings.render_text(company_settings.WAITING_TEXT),
            by=SYSTEM,
            at=at,
            epoch=conversation.epoch,
        )


@handles(
    EventType.AGENT_TAKEOVER,
    EventType.AGENT_RELEASE,
    EventType.AGENT_TRANSFER,
    EventType.CONVERSATION_CLOSED,
)
def end_twilio_executions(event: ConversationEvent, at: datetime) -> None:
    """A flow that waits at Twilio would take the client's next message for its answer. Ours ends by a trigger."""
    if event.event_type == EventType.AGENT_TRANSFER and not event.metadata.keys() & {"to", "to_team"}:
        return  # The flow itself asked for an agent, and goes on.
    app.configure_task("relais.whatsapp.tasks.end_executions", allow_unknown=True).defer(
        conversation_id=event.conversation_id
    )


@handles(EventType.MESSAGE_RECEIVED)
def fetch_media(event: ConversationEvent, at: datetime) -> None:
    """Deferred by task name: the job belongs to the room that knows where the files are."""
    for media in event.media.all() if event.metadata.get("media") else ():
        app.configure_task("relais.whatsapp.tasks.fetch_media", allow_unknown=True, queue="media").defer(
            media_id=media.pk
        )


def handle_ingested(messages: Sequence[IngestedMessage], *, at: datetime) -> None:
    """Run the handlers of client messages stored in this transaction; only `ingest` makes such events."""
    event_ids = [message.event_id for message in messages if message.waiting_due or message.has_media]
    if event_ids:
        events = ConversationEvent.objects.filter(pk__in=event_ids).select_related("conversation")
        for event in events.order_by("id"):
            run_handlers(event, at=at)
    defer_bot_jobs(message for message in messages if message.bot_here)
    run_ingest_handlers(messages, at=at)


def defer_bot_jobs(messages: Iterable[IngestedMessage]) -> None:
    """One job a conversation, run one after the other in it; a job that finds nothing to do does nothing."""
    if settings.ENVIRONMENT.bot != "embedded":
        return
    # In one statement: to defer them one by one costs more than to store the messages.
    if conversations := {message.conversation_id for message in messages if not message.is_held}:
        with connection.cursor() as cursor:
            cursor.execute(DEFER_BOT_JOBS, [sorted(conversations)])
