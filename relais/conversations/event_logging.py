"""Log lines about conversations: ids and kinds, never texts or names, written once the transaction is committed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction

if TYPE_CHECKING:
    from relais.conversations.models import ConversationEvent, MessageDelivery

log = logging.getLogger(__name__)


def log_event(event: ConversationEvent) -> None:
    fields = {
        "conversation": event.conversation_id,
        "event_id": event.pk,
        "seq": event.seq,
        "kind": event.event_type,
        "by": event.author_kind,
        "user": event.author_id,
    }
    transaction.on_commit(lambda: log.info("conversation event", extra=fields))


def log_delivery_states(deliveries: Sequence[MessageDelivery], state: str) -> None:
    each = [
        {"conversation": delivery.conversation_id, "delivery": delivery.pk, "code": delivery.error_code}
        if delivery.error_code
        else {"conversation": delivery.conversation_id, "delivery": delivery.pk}
        for delivery in deliveries
    ]
    fields = {"state": state, "each": each}
    if each:
        transaction.on_commit(lambda: log.info("delivery state changed", extra=fields))


def log_ingested(messages: Sequence[tuple[int, int]]) -> None:
    """New messages of clients that were stored together, as pairs of conversation id and event id."""
    each = [{"conversation": conversation, "event_id": event} for conversation, event in messages]
    fields = {"kind": "message_received", "count": len(each), "each": each}
    if each:
        transaction.on_commit(lambda: log.info("conversation event", extra=fields))
