"""What happened to conversations, for the journal: ids and kinds, never words, and only once it is committed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
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
    moves = [(each.conversation_id, each.pk, each.error_code) for each in deliveries]
    if moves:
        transaction.on_commit(partial(_tell_moves, moves, state))


def _tell_moves(moves: Sequence[tuple[int, int, int | None]], state: str) -> None:
    for conversation, delivery, code in moves:
        told = {"conversation": conversation, "delivery": delivery, "state": state, "code": code}
        log.info("message moved", extra=told)


def note_received(received: Sequence[tuple[int, int]]) -> None:
    """New messages of clients, as conversation and event, that were stored together."""
    if received:
        transaction.on_commit(partial(_tell_received, received))


def _tell_received(received: Sequence[tuple[int, int]]) -> None:
    for conversation, event in received:
        told = {
            "conversation": conversation,
            "event_id": event,
            "kind": "message_received",
            "count": len(received),
        }
        log.info("conversation event", extra=told)
