"""Which events are told: jobs deferred in the transaction of the event. `AppConfig.ready` imports this file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.dispatch import receiver
from procrastinate.types import JSONDict

from relais.accounts.models import User
from relais.conversations.event_types import EventType
from relais.conversations.events import handles, handles_ingested
from relais.conversations.inbound_messages import IngestedMessage
from relais.conversations.models import ConversationEvent, MessageDelivery
from relais.conversations.signals import delivery_failed
from relais.notes.models import Note
from relais.notes.signals import colleagues_mentioned
from relais.notifications.notification_kinds import NotificationKind
from relais.notifications.tasks import notify


@handles_ingested
def on_client_messages(messages: Sequence[IngestedMessage], at: datetime) -> None:
    """One job a conversation, about its last message: clients write by the hundred."""
    last = {message.conversation_id: message.event_id for message in messages if message.is_held}
    if last:
        jobs: list[JSONDict] = [
            {
                "kind": NotificationKind.CLIENT_MESSAGE.value,
                "conversation_id": conversation,
                "event_id": event,
            }
            for conversation, event in sorted(last.items())
        ]
        notify.batch_defer(*jobs)


@handles(EventType.AGENT_TRANSFER)
def on_transfer(event: ConversationEvent, at: datetime) -> None:
    _defer(NotificationKind.TRANSFER if "to" in event.metadata else NotificationKind.WAITING, event)


@handles(EventType.AGENT_RELEASE)
def on_release(event: ConversationEvent, at: datetime) -> None:
    if event.metadata.get("to") == "queue":
        _defer(NotificationKind.WAITING, event)


@handles(EventType.SCHEDULED_WITHHELD)
def on_scheduled_withheld(event: ConversationEvent, at: datetime) -> None:
    _defer(NotificationKind.WITHHELD, event)


@receiver(delivery_failed)
def on_delivery_failed(sender: object, *, delivery: MessageDelivery, **kwargs: Any) -> None:
    if delivery.by_person:
        notify.defer(
            kind=NotificationKind.FAILURE.value,
            conversation_id=delivery.conversation_id,
            event_id=delivery.event_id,
        )


@receiver(colleagues_mentioned)
def on_mention(sender: object, *, note: Note, users: Sequence[User], **kwargs: Any) -> None:
    notify.defer(
        kind=NotificationKind.MENTION.value,
        conversation_id=note.conversation_id,
        note_id=note.pk,
        user_ids=[user.pk for user in users],
    )


def _defer(kind: NotificationKind, event: ConversationEvent) -> None:
    notify.defer(kind=kind.value, conversation_id=event.conversation_id, event_id=event.pk)
