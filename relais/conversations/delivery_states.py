"""The fate of one outgoing message: queued → sending → sent → delivered → read, or failed, uncertain, refused.

Every move is made under the conversation's row lock, goes forward only, and raises the conversation's `rev`. Only what
certainly did not leave goes back to `queued`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, LiteralString

from django.db import connection, transaction
from psycopg import sql

from relais.conversations import event_logging
from relais.conversations.events import SYSTEM

if TYPE_CHECKING:
    from relais.conversations.models import MessageDelivery

LEASE = timedelta(seconds=30)
"""How long a claim is believed without a word from its process."""
DOUBT = timedelta(minutes=2)
"""How long an uncertain message keeps the next ones of its conversation waiting."""
LONGEST_PAUSE = timedelta(minutes=5)
"""How long a message that did not leave waits at most before it is tried again."""
FIRST_ASKED = timedelta(seconds=5)
"""After which Twilio's log is asked about an uncertain message: a status callback is usually faster."""

HAPPY = ("queued", "sending", "uncertain", "sent", "delivered", "read")
TIMES = {"sent": "sent_at", "delivered": "delivered_at", "read": "read_at"}

LOCK = "select 1 from conversations where id = %s for no key update"
# The lock was taken by a statement of its own: what this one sees is as it then was.
MOVE = """
with moved as (
  update message_deliveries d set {fields}
    from conversations c where c.id = d.conversation_id and d.id = any(%s) and d.state = any(%s)
     and (%s::int is null or d.attempt = %s)
  returning d.id, d.conversation_id, d.rev, d.sid, d.sent_to
), told as (
  update conversations c set rev = moved.rev from moved where c.id = moved.conversation_id
)
select id, rev, sid, sent_to from moved
"""
# Where it goes is settled with the claim: whoever asks for it afterwards asks for that address.
CLAIMED: LiteralString = """
attempt = d.attempt + 1, sent_to = (select address from client_addresses where id = c.address_id)"""


class Fate:
    if TYPE_CHECKING:
        state: Any

    @transaction.atomic
    def claim(self: MessageDelivery, *, by: str, at: datetime) -> bool:
        """Take it for sending by the process `by`. This moment is when the message has left.

        False when it is not its turn (any more), or when a take-over silenced it.
        """
        conversation = self.conversation.locked()
        if not type(self).objects.due(at).filter(pk=self.pk).exists():
            return False
        if self.epoch is not None and self.epoch != conversation.epoch:
            reason = "taken_over" if conversation.is_open else "ended"
            self._change(("queued",), state="refused", reason=reason)
            conversation.append(
                "error", by=SYSTEM, at=at, metadata={"withheld": self.event_id, "reason": reason}
            )
            return False
        return bool(mark_claimed([self], by=by, at=at))

    def accepted(self: MessageDelivery, sid: str | None, *, at: datetime) -> None:
        """Twilio answered the call and named the message."""
        self.advance("sent", at=at, sid=sid)

    def advance(self: MessageDelivery, state: str, *, at: datetime, sid: str | None = None) -> bool:
        """Move forward to `sent`, `delivered` or `read`; a lower or equal state changes nothing but an unknown sid."""
        known: dict[str, Any] = {"sid": sid} if sid else {}
        lower = HAPPY[: HAPPY.index(state)]
        if self._change(lower, **known | {"state": state, TIMES[state]: at}):
            return True
        return bool(known) and not self.sid and self._change((*HAPPY, "failed"), sid=sid)

    def failed(
        self: MessageDelivery, *, at: datetime, code: int | None, error: str, sid: str | None = None
    ) -> bool:
        """It will not arrive. The first error stays; what was delivered stays delivered.

        Without a `sid` it is a call that was refused, and no word against an earlier one that was proven to have left.
        """
        known: dict[str, Any] = {"sid": sid} if sid else {}
        return self._change(
            ("queued", "sending", "uncertain", *(["sent"] if sid else [])),
            state="failed",
            failed_at=at,
            error_code=code,
            error=error,
            **known,
        )

    def resent(self: MessageDelivery, *, at: datetime) -> None:
        """It is said again. What nobody could tell arrived is given up; every screen takes the choice away."""
        if not self._change(("uncertain",), state="failed", failed_at=at, reason="resent"):
            self._change(("failed", "refused"))

    def doubt(self: MessageDelivery, *, at: datetime, error: str) -> bool:
        """The call went out and no answer tells what became of it."""
        return self._change(
            ("sending",),
            attempt=self.attempt,
            state="uncertain",
            uncertain_until=at + DOUBT,
            asked=0,
            ask_after=at + FIRST_ASKED,
            error=error,
        )

    def again(self: MessageDelivery) -> bool:
        """Twilio does not have it: it leaves once more, before what was said after it, unless it did so already.

        The same message and not a new one: it is said once in the history, the order stays, a status callback that
        comes late still finds it, and a take-over in between still withholds it.
        """
        if self.repeated:
            return False
        return self._change(("uncertain",), state="queued", repeated=True, claimed_by=None, lease_until=None)

    def postpone(self: MessageDelivery, *, until: datetime, error: str) -> bool:
        """It certainly did not leave; try again then. True also of what was doubted before we could say so."""
        return self._change(
            ("sending", "uncertain"),
            attempt=self.attempt,
            state="queued",
            not_before=until,
            error=error,
            claimed_by=None,
            lease_until=None,
        )

    @transaction.atomic
    def _change(
        self: MessageDelivery, from_states: tuple[str, ...], attempt: int | None = None, **fields: Any
    ) -> bool:
        """`attempt`: only if it has not left once more since."""
        with connection.cursor() as cursor:
            cursor.execute(LOCK, [self.conversation_id])
        if moved([self], from_states, attempt=attempt, **fields):
            return True
        self.refresh_from_db()
        return False


def mark_claimed(deliveries: Sequence[MessageDelivery], *, by: str, at: datetime) -> list[MessageDelivery]:
    """Those that were still queued. Call with their conversations locked, one delivery of each."""
    claimed = moved(
        deliveries,
        ("queued",),
        more=CLAIMED,
        state="sending",
        claimed_by=by,
        claimed_at=at,
        lease_until=at + LEASE,
    )
    for delivery in claimed:
        delivery.attempt += 1
    return claimed


def moved(
    deliveries: Sequence[MessageDelivery],
    from_states: Sequence[str],
    *,
    attempt: int | None = None,
    more: LiteralString = "",
    **fields: Any,
) -> list[MessageDelivery]:
    """Those that were in one of these states, moved. Call with their conversations locked, one delivery of each."""
    if not deliveries:
        return []
    assigned = [sql.SQL("rev = c.rev + 1"), *(_assigned(name) for name in fields)]
    assigned += [sql.SQL(more)] if more else []
    by_id = {delivery.pk: delivery for delivery in deliveries}
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(MOVE).format(fields=sql.SQL(", ").join(assigned)),
            [*fields.values(), list(by_id), list(from_states), attempt, attempt],
        )
        rows = cursor.fetchall()
    for pk, rev, sid, sent_to in rows:
        delivery = by_id[pk]
        for name, value in fields.items():
            setattr(delivery, name, value)
        delivery.rev, delivery.sid, delivery.sent_to = rev, sid, sent_to
    gone = [by_id[pk] for pk, *_rest in rows]
    if "state" in fields:
        event_logging.note_moves(gone, fields["state"])
    return gone


def _assigned(name: str) -> sql.Composable:
    if name == "sid":
        return sql.SQL("sid = coalesce(d.sid, %s)")
    return sql.SQL("{} = %s").format(sql.Identifier(name))
