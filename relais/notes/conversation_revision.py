"""The conversation's row, by id alone: locking it, and raising its `rev` for a change that screens show.

Plain SQL, since this room knows no model of conversations and thus none of their verbs.
"""

from __future__ import annotations

from django.db import connection

LOCK = "select 1 from conversations where id = %s for no key update"
RAISE_REV = "update conversations set rev = rev + 1 where id = %s returning seq, rev"


def lock_conversation(conversation_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [conversation_id])


def raise_rev(conversation_id: int) -> tuple[int, int]:
    """The `seq` of its last event, and its new `rev`. Call inside a transaction: the row stays locked to the commit."""
    with connection.cursor() as cursor:
        cursor.execute(RAISE_REV, [conversation_id])
        seq, rev = cursor.fetchone()
        return seq, rev


def notify_changed(conversation_id: int) -> None:
    """Make live pages count again, after a change that raises no rev."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify('conversations', %s)", [str(conversation_id)])
