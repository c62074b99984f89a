"""What a bot at Twilio says: known to us only by the status callbacks of messages that we did not send."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from procrastinate.contrib.django import app

from relais.clients.addresses import BadAddress, canonical
from relais.conversations.history import BOT
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.whatsapp import client
from relais.whatsapp.assumptions import FAILED_STATUSES
from relais.whatsapp.errors import sentence_of

PATIENCE = timedelta(minutes=2)
"""One of our own messages could still be told apart by its ref until then."""
SOON = timedelta(minutes=1)
STATES = {"delivered": "delivered", "read": "read"} | dict.fromkeys(FAILED_STATUSES, "failed")


def notice(sid: str) -> None:
    """A status came for a message that is not ours: look it up when it cannot be one of ours any more."""
    if settings.ENVIRONMENT.bot == "studio":
        _look_up(sid, after=PATIENCE)


def write_down(sid: str, *, at: datetime) -> None:
    """Append what the message says to the history, once. Raises as `client.fetch`: to be tried again."""
    if _is_known(sid):
        return
    message = client.fetch(sid)
    if message is None or not message.direction.startswith("outbound"):
        return
    try:
        address, sender = canonical(message.to), canonical(message.from_)
    except BadAddress:
        return
    channel = Conversation.objects.filter(address__address=address, sender=sender)
    conversation = channel.open().first() or channel.order_by("-id").first()
    if conversation is None:
        return
    ours = MessageDelivery.objects.filter(conversation__address=conversation.address)
    if ours.blocking(at).exclude(state="queued").exists():
        _look_up(sid, after=SOON)
        return
    _append(conversation, message, at)


@transaction.atomic
def _append(conversation: Conversation, message: client.Message, at: datetime) -> None:
    locked = conversation.locked()
    if _is_known(message.sid):
        return
    said_at = {"occurred_at": message.date_created.isoformat()} if message.date_created else {}
    event = locked.append(
        "message_sent", by=BOT, at=at, body=message.body, metadata={"from_studio": True} | said_at
    )
    state = STATES.get(message.status, "sent")
    MessageDelivery.objects.create(
        event=event,
        conversation=locked,
        rev=event.rev,
        sid=message.sid,
        state=state,
        created_at=at,
        sent_at=message.date_created or at,
        error_code=message.error_code,
        error=sentence_of(message.error_code) if state == "failed" else "",
    )


def _is_known(sid: str) -> bool:
    by_event = ConversationEvent.objects.filter(message_sid=sid)
    return MessageDelivery.objects.filter(sid=sid).exists() or by_event.exists()


def _look_up(sid: str, *, after: timedelta) -> None:
    app.configure_task(
        "relais.whatsapp.tasks.look_up_message",
        allow_unknown=True,
        schedule_in={"seconds": int(after.total_seconds())},
    ).defer(sid=sid)
