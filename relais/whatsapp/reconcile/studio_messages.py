"""What a bot at Twilio says: known to us only by the status callbacks of messages that we did not send."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from procrastinate.contrib.django import app

from relais.clients.addresses import InvalidAddress, canonical_address, match_key
from relais.conversations.events import BOT
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.whatsapp.assumptions import FAILED_STATUSES
from relais.whatsapp.errors import sentence_of

if TYPE_CHECKING:
    from relais.whatsapp import client

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
    from relais.whatsapp import client

    if _is_known(sid):
        return
    message = client.fetch(sid)
    if message is not None:
        try:
            append(message, at=at)
        except Undecided:
            _look_up(sid, after=SOON)


class Undecided(Exception):
    """One of ours to that client has no SID yet: it may be this one."""


def append(message: client.Message, *, at: datetime) -> bool:
    """Append it to the history, once. False when that was done, or it went to no client of ours. Raises Undecided."""
    conversation = _conversation_of(message)
    if conversation is None:
        return False
    ours = MessageDelivery.objects.filter(conversation__client=conversation.client_id)
    undecided = ours.blocking(at).exclude(state="queued")
    # One that holds nobody up any more is asked about for longer; once it is ours, nobody sends it again.
    still_asked = ours.filter(state="uncertain", ask_after__isnull=False, event__body=message.body)
    if undecided.exists() or still_asked.exists():
        raise Undecided
    return _append(conversation, message, at)


def _conversation_of(message: client.Message) -> Conversation | None:
    if not message.direction.startswith("outbound"):
        return None
    try:
        address, sender = canonical_address(message.to), canonical_address(message.from_)
    except InvalidAddress:
        return None
    channel = Conversation.objects.filter(client__addresses__match_key=match_key(address), sender=sender)
    return channel.open().first() or channel.order_by("-id").first()


@transaction.atomic
def _append(conversation: Conversation, message: client.Message, at: datetime) -> bool:
    locked = conversation.locked()
    if _is_known(message.sid):
        return False
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
    return True


def _is_known(sid: str) -> bool:
    by_event = ConversationEvent.objects.filter(message_sid=sid)
    return MessageDelivery.objects.filter(sid=sid).exists() or by_event.exists()


def _look_up(sid: str, *, after: timedelta) -> None:
    app.configure_task(
        "relais.whatsapp.tasks.look_up_message",
        allow_unknown=True,
        schedule_in={"seconds": int(after.total_seconds())},
    ).defer(sid=sid)
