"""Records the messages of a bot in Twilio Studio, known here only by status callbacks of messages we did not send."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from procrastinate.contrib.django import app

from relais.clients.addresses import InvalidAddress, canonical_address, match_key
from relais.conversations.events import BOT
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.conversations.twilio_errors import error_sentence
from relais.whatsapp.assumptions import FAILED_STATUSES

if TYPE_CHECKING:
    from relais.whatsapp import client

LOOKUP_DELAY = timedelta(minutes=2)
"""Until then a message without a known SID may still be one of ours, which its `ref` identifies."""
LOOKUP_RETRY_DELAY = timedelta(minutes=1)
DELIVERY_STATES = {"delivered": "delivered", "read": "read"} | dict.fromkeys(FAILED_STATUSES, "failed")


def schedule_lookup(sid: str) -> None:
    """For a status of a message that is not ours: look it up when it cannot be one of ours any more."""
    if settings.ENVIRONMENT.bot == "studio":
        _defer_lookup(sid, after=LOOKUP_DELAY)


def record(sid: str, *, at: datetime) -> None:
    """Fetch the message and append it to the history, once. Raises like `client.fetch_message`: retry then."""
    from relais.whatsapp import (
        client,  # It brings Twilio's SDK, which the web process does not load at its start.
    )

    if _is_known(sid):
        return
    message = client.fetch_message(sid)
    if message is not None:
        try:
            record_sent(message, at=at)
        except Undecided:
            _defer_lookup(sid, after=LOOKUP_RETRY_DELAY)


class Undecided(Exception):
    """A delivery of ours to that client has no SID yet: this message may be it."""


def record_sent(message: client.TwilioMessage, *, at: datetime) -> bool:
    """Append it to the history, once. False when it is already there or not to a client of ours. Raises Undecided."""
    conversation = _conversation_of(message)
    if conversation is None:
        return False
    deliveries = MessageDelivery.objects.filter(conversation__client=conversation.client_id)
    undecided = deliveries.blocking(at).exclude(state="queued")
    # An uncertain send is looked up longer than it blocks the next ones. If this is it, nobody sends it again.
    still_looked_up = deliveries.filter(state="uncertain", ask_after__isnull=False, event__body=message.body)
    if undecided.exists() or still_looked_up.exists():
        raise Undecided
    return _append(conversation, message, at)


def _conversation_of(message: client.TwilioMessage) -> Conversation | None:
    if not message.direction.startswith("outbound"):
        return None
    try:
        address, sender = canonical_address(message.to), canonical_address(message.from_)
    except InvalidAddress:
        return None
    conversations = Conversation.objects.filter(
        client__addresses__match_key=match_key(address), sender=sender
    )
    return conversations.open().first() or conversations.order_by("-id").first()


@transaction.atomic
def _append(conversation: Conversation, message: client.TwilioMessage, at: datetime) -> bool:
    locked = conversation.locked()
    if _is_known(message.sid):
        return False
    occurred_at = {"occurred_at": message.date_created.isoformat()} if message.date_created else {}
    event = locked.append_event(
        "message_sent", by=BOT, at=at, body=message.body, metadata={"from_studio": True} | occurred_at
    )
    state = DELIVERY_STATES.get(message.status, "sent")
    MessageDelivery.objects.create(
        event=event,
        conversation=locked,
        rev=event.rev,
        sid=message.sid,
        state=state,
        created_at=at,
        sent_at=message.date_created or at,
        error_code=message.error_code,
        error=error_sentence(message.error_code) if state == "failed" else "",
    )
    return True


def _is_known(sid: str) -> bool:
    by_event = ConversationEvent.objects.filter(message_sid=sid)
    return MessageDelivery.objects.filter(sid=sid).exists() or by_event.exists()


def _defer_lookup(sid: str, *, after: timedelta) -> None:
    app.configure_task(
        "relais.whatsapp.tasks.look_up_message",
        allow_unknown=True,
        schedule_in={"seconds": int(after.total_seconds())},
    ).defer(sid=sid)
