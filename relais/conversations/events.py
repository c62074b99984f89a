"""What happened in a conversation, in the order it happened: the only writer of events besides `inbound.sql`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

if TYPE_CHECKING:
    from relais.accounts.models import User
    from relais.conversations.models import Conversation, ConversationEvent


@dataclass(frozen=True)
class Author:
    """Who did it, by the name he had then."""

    kind: str
    name: str = ""
    id: int | None = None

    @classmethod
    def of(cls, user: User) -> Author:
        return cls("agent", str(user), user.pk)


BOT = Author("bot")
SYSTEM = Author("system")
CLIENT = Author("client")

HAPPENED = """
update conversations set rev = rev + 1, seq = seq + 1, last_activity_at = greatest(last_activity_at, %s)
 where id = %s returning seq, rev
"""
CHANGED = "update conversations set rev = rev + 1 where id = %s returning seq, rev"


class History:
    @transaction.atomic
    def append(
        self: Conversation,
        kind: str,
        *,
        by: Author,
        at: datetime,
        body: str = "",
        metadata: dict[str, Any] | None = None,
        resend_of: ConversationEvent | None = None,
        message_sid: str | None = None,
    ) -> ConversationEvent:
        """Add an event under the row's lock, so that `seq` and `rev` have no gap, and carry out what it entails."""
        from relais.conversations import event_handlers, event_logging
        from relais.conversations.models import ConversationEvent

        with connection.cursor() as cursor:
            cursor.execute(HAPPENED, [at, self.pk])
            self.seq, self.rev = cursor.fetchone()
        event = ConversationEvent.objects.create(
            conversation=self,
            seq=self.seq,
            rev=self.rev,
            event_type=kind,
            author_kind=by.kind,
            author_id=by.id,
            author_name=by.name,
            body=body,
            metadata=metadata or {},
            resend_of=resend_of,
            message_sid=message_sid,
            created_at=at,
        )
        event_logging.note_event(event)
        event_handlers.of(event, at=at)
        return event

    def touch(self: Conversation) -> int:
        """Raise `rev` for a change that is no event (a delivery moved); returns it. Call inside a transaction."""
        with connection.cursor() as cursor:
            cursor.execute(CHANGED, [self.pk])
            self.seq, self.rev = cursor.fetchone()
        return self.rev
