"""Appending to the event log of a conversation. Only this file and `inbound.sql` write events.

What an event causes is registered here by `event_handlers.py` and runs in the transaction of the append.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from relais.conversations import event_logging
from relais.conversations.event_types import EventType

if TYPE_CHECKING:
    from relais.accounts.models import User
    from relais.conversations.inbound_messages import IngestedMessage
    from relais.conversations.models import Conversation, ConversationEvent


@dataclass(frozen=True)
class Author:
    """Who caused an event, with the name as it was then."""

    kind: str
    name: str = ""
    id: int | None = None

    @classmethod
    def from_user(cls, user: User) -> Author:
        return cls("agent", str(user), user.pk)


BOT = Author("bot")
SYSTEM = Author("system")

EventHandler = Callable[["ConversationEvent", datetime], None]
IngestHandler = Callable[["Sequence[IngestedMessage]", datetime], None]
_handlers: dict[str, list[EventHandler]] = {}
_ingest_handlers: list[IngestHandler] = []


def handles(*event_types: str) -> Callable[[EventHandler], EventHandler]:
    """Register a handler of these event types. Handlers run in the order in which they are registered."""

    def register(handler: EventHandler) -> EventHandler:
        for event_type in event_types:
            _handlers.setdefault(event_type, []).append(handler)
        return handler

    return register


def handles_ingested(handler: IngestHandler) -> IngestHandler:
    """Register a handler of each batch of new client messages, whose events are not loaded one by one."""
    _ingest_handlers.append(handler)
    return handler


def run_ingest_handlers(messages: Sequence[IngestedMessage], *, at: datetime) -> None:
    for handler in _ingest_handlers:
        handler(messages, at)


def run_handlers(event: ConversationEvent, *, at: datetime) -> None:
    for handler in _handlers.get(event.event_type, ()):
        handler(event, at)


NEXT_SEQ_AND_REV = """
update conversations set rev = rev + 1, seq = seq + 1, last_activity_at = greatest(last_activity_at, %s),
       unanswered_since = case when %s then null else unanswered_since end
 where id = %s returning seq, rev
"""
NEXT_REV = "update conversations set rev = rev + 1 where id = %s returning seq, rev"


class EventLogMixin:
    @transaction.atomic
    def append_event(
        self: Conversation,
        event_type: str,
        *,
        by: Author,
        at: datetime,
        body: str = "",
        metadata: dict[str, Any] | None = None,
        resend_of: ConversationEvent | None = None,
        message_sid: str | None = None,
        is_activity: bool = True,
    ) -> ConversationEvent:
        """Insert an event under the row lock, so that `seq` and `rev` have no gap, and run its handlers.

        One that is no activity leaves the conversation where it is in lists and figures (`last_activity_at`).
        """
        with connection.cursor() as cursor:
            cursor.execute(
                NEXT_SEQ_AND_REV,
                [at if is_activity else None, event_type == EventType.AGENT_MESSAGE, self.pk],
            )
            self.seq, self.rev = cursor.fetchone()
        event = self.events.create(
            seq=self.seq,
            rev=self.rev,
            event_type=event_type,
            author_kind=by.kind,
            author_id=by.id,
            author_name=by.name,
            body=body,
            metadata=metadata or {},
            resend_of=resend_of,
            message_sid=message_sid,
            created_at=at,
        )
        event_logging.log_event(event)
        run_handlers(event, at=at)
        return event

    def bump_rev(self: Conversation) -> int:
        """Raise `rev` for a change that is no event (a delivery state, a picture). Call inside a transaction."""
        with connection.cursor() as cursor:
            cursor.execute(NEXT_REV, [self.pk])
            self.seq, self.rev = cursor.fetchone()
        return self.rev
