"""What happened to conversations, for the journal: ids and kinds, never words, and only once it is committed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction

if TYPE_CHECKING:
    from relais.conversations.models import ConversationEvent, MessageDelivery

log = logging.getLogger(__name__)


def note_event(event: ConversationEvent) -> None:
    told = {
        "conversation": event.conversation_id,
        "event_id": event.pk,
        "seq": event.seq,
        "kind": event.event_type,
        "by": event.author_kind,
        "user": event.author_id,
    }
    transaction.on_commit(lambda: log.info("conversation event", extra=told))


def note_moves(deliveries: Sequence[MessageDelivery], state: str) -> None:
    each = [
        {"conversation": one.conversation_id, "delivery": one.pk, "code": one.error_code}
        if one.error_code
        else {"conversation": one.conversation_id, "delivery": one.pk}
        for one in deliveries
    ]
    told = {"state": state, "each": each}
    if each:
        transaction.on_commit(lambda: log.info("message moved", extra=told))


def note_received(received: Sequence[tuple[int, int]]) -> None:
    """New messages of clients, as conversation and event, that were stored together."""
    each = [{"conversation": conversation, "event_id": event} for conversation, event in received]
    told = {"kind": "message_received", "count": len(each), "each": each}
    if each:
        transaction.on_commit(lambda: log.info("conversation event", extra=told))
