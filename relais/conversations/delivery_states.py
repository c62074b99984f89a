"""The state machine of one outgoing message: queued → sending → sent → delivered → read, or failed, uncertain, refused.

Every transition is made under the conversation's row lock, goes forward only, and raises the conversation's `rev`. Only
what certainly did not leave, or was searched for in Twilio's log and not there, is requeued.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, LiteralString

from django.db import connection, transaction
from psycopg import sql

from relais.conversations import event_logging
from relais.conversations.events import SYSTEM
from relais.conversations.service_window import leaving_obstacle
from relais.conversations.signals import delivery_failed
from relais.conversations.time_limits import CLAIM_LEASE, FIRST_LOOKUP_DELAY, UNCERTAIN_HOLD
from relais.undo_limits import UNDO_GRACE

if TYPE_CHECKING:
    from relais.conversations.models import Conversation, MessageDelivery

STATES_BY_RANK = ("queued", "sending", "uncertain", "sent", "delivered", "read")
TIMESTAMP_FIELDS = {"sent": "sent_at", "delivered": "delivered_at", "read": "read_at"}

LOCK_CONVERSATION = "select 1 from conversations where id = %s for no key update"
# The lock is taken by a statement of its own, so that this one sees what was committed while it waited.
TRANSITION = """
with changed as (
  update message_deliveries d set {fields}
    from conversations c where c.id = d.conversation_id and d.id = any(%s) and d.state = any(%s)
     and (%s::int is null or d.attempt = %s)
  returning d.id, d.conversation_id, d.rev, d.sid, d.sent_to
), bumped as (
  update conversations c set rev = changed.rev from changed where c.id = changed.conversation_id
)
select id, rev, sid, sent_to from changed
"""
# The recipient is fixed by the claim: later lookups in Twilio's log ask for that address.
CLAIM_FIELDS: LiteralString = """
attempt = d.attempt + 1, sent_to = (select address from client_addresses where id = c.address_id)"""


class DeliveryTransitions:
    if TYPE_CHECKING:
        state: Any

    @transaction.atomic
    def claim(self: MessageDelivery, *, by: str, at: datetime) -> bool:
        """Claim it for sending by the process `by`. From this moment the message counts as having left.

        False when it is not due (any more), or withheld: see `withholding_reason`.
        """
        conversation = self.conversation.locked()
        if not type(self).objects.due(at).filter(pk=self.pk).exists():
            return False
        if reason := withholding_reason(self, conversation, at=at):
            self._transition(("queued",), state="refused", reason=reason)
            conversation.append_event(
                "error", by=SYSTEM, at=at, metadata={"withheld": self.event_id, "reason": reason}
            )
            delivery_failed.send(type(self), delivery=self)
            return False
        return bool(claim_deliveries([self], by=by, at=at))

    def mark_sent(self: MessageDelivery, sid: str | None, *, at: datetime) -> None:
        """Twilio accepted the message and gave it a SID."""
        self.advance("sent", at=at, sid=sid)

    def advance(self: MessageDelivery, state: str, *, at: datetime, sid: str | None = None) -> bool:
        """Move forward to `sent`, `delivered` or `read`; idempotent: a state of lower or equal rank only adds a sid."""
        with_sid: dict[str, Any] = {"sid": sid} if sid else {}
        lower = STATES_BY_RANK[: STATES_BY_RANK.index(state)]
        if self._transition(lower, **with_sid | {"state": state, TIMESTAMP_FIELDS[state]: at}):
            return True
        return bool(with_sid) and not self.sid and self._transition((*STATES_BY_RANK, "failed"), sid=sid)

    @transaction.atomic
    def mark_failed(
        self: MessageDelivery, *, at: datetime, code: int | None, error: str, sid: str | None = None
    ) -> bool:
        """It will not arrive. The first error stays; what was delivered stays delivered.

        Without a `sid` this is a refused call, which does not contradict an earlier call that is proven to have left.
        """
        with_sid: dict[str, Any] = {"sid": sid} if sid else {}
        has_failed = self._transition(
            ("queued", "sending", "uncertain", *(["sent"] if sid else [])),
            state="failed",
            failed_at=at,
            error_code=code,
            error=error,
            **with_sid,
        )
        if has_failed:
            delivery_failed.send(type(self), delivery=self)
        return has_failed

    def withdraw(self: MessageDelivery, *, at: datetime) -> bool:
        """Undo it. False when it was claimed before, or the time to undo it is over."""
        if self.attempt or not self.held_until or at > self.held_until + UNDO_GRACE:
            return False
        return self._transition(("queued",), attempt=0, state="refused", reason="undone")

    def supersede(self: MessageDelivery, *, at: datetime) -> None:
        """A resend replaces it. An uncertain one is marked failed; every screen removes the choice to resend."""
        if not self._transition(("uncertain",), state="failed", failed_at=at, reason="resent"):
            self._transition(("failed", "refused"))

    def mark_uncertain(self: MessageDelivery, *, at: datetime, error: str) -> bool:
        """The call was made and its outcome is unknown."""
        return self._transition(
            ("sending",),
            attempt=self.attempt,
            state="uncertain",
            uncertain_until=at + UNCERTAIN_HOLD,
            asked=0,
            ask_after=at + FIRST_LOOKUP_DELAY,
            error=error,
        )

    def requeue(self: MessageDelivery) -> bool:
        """Twilio does not have it: send it once more, before later messages, unless that was done already.

        The same message and not a new one: it stands once in the history, the order stays, a status callback that comes
        late still finds it, and a take-over in between still withholds it.
        """
        if self.repeated:
            return False
        return self._transition(
            ("uncertain",), state="queued", repeated=True, claimed_by=None, lease_until=None
        )

    def postpone(self: MessageDelivery, *, until: datetime, error: str) -> bool:
        """It certainly did not leave: retry at `until`. True also if it became uncertain before we could say so."""
        return self._transition(
            ("sending", "uncertain"),
            attempt=self.attempt,
            state="queued",
            not_before=until,
            error=error,
            claimed_by=None,
            lease_until=None,
        )

    @transaction.atomic
    def _transition(
        self: MessageDelivery, from_states: tuple[str, ...], attempt: int | None = None, **fields: Any
    ) -> bool:
        """With `attempt`: only if it was not claimed once more since."""
        with connection.cursor() as cursor:
            cursor.execute(LOCK_CONVERSATION, [self.conversation_id])
        if apply_transition([self], from_states, attempt=attempt, **fields):
            return True
        self.refresh_from_db()
        return False


def withholding_reason(delivery: MessageDelivery, conversation: Conversation, *, at: datetime) -> str:
    """Why a queued message may not leave any more, or empty: a take-over or the end came before it, the client's window
    closed, or the client opted out. Call with the conversation locked.
    """
    if delivery.epoch is not None and delivery.epoch != conversation.epoch:
        return "taken_over" if conversation.is_open else "ended"
    return leaving_obstacle(conversation, delivery.event, at=at)


def claim_deliveries(
    deliveries: Sequence[MessageDelivery], *, by: str, at: datetime
) -> list[MessageDelivery]:
    """Claim those that are still queued. Call with their conversations locked, one delivery of each."""
    claimed = apply_transition(
        deliveries,
        ("queued",),
        more=CLAIM_FIELDS,
        state="sending",
        claimed_by=by,
        claimed_at=at,
        lease_until=at + CLAIM_LEASE,
    )
    for delivery in claimed:
        delivery.attempt += 1
    return claimed


def apply_transition(
    deliveries: Sequence[MessageDelivery],
    from_states: Sequence[str],
    *,
    attempt: int | None = None,
    more: LiteralString = "",
    **fields: Any,
) -> list[MessageDelivery]:
    """Update and return those in one of `from_states`. Call with their conversations locked, one delivery of each."""
    if not deliveries:
        return []
    assignments = [sql.SQL("rev = c.rev + 1"), *(_assignment(name) for name in fields)]
    assignments += [sql.SQL(more)] if more else []
    by_id = {delivery.pk: delivery for delivery in deliveries}
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(TRANSITION).format(fields=sql.SQL(", ").join(assignments)),
            [*fields.values(), list(by_id), list(from_states), attempt, attempt],
        )
        rows = cursor.fetchall()
    for pk, rev, sid, sent_to in rows:
        delivery = by_id[pk]
        for name, value in fields.items():
            setattr(delivery, name, value)
        delivery.rev, delivery.sid, delivery.sent_to = rev, sid, sent_to
    changed = [by_id[pk] for pk, *_rest in rows]
    if "state" in fields:
        event_logging.log_delivery_states(changed, fields["state"])
    return changed


def _assignment(name: str) -> sql.Composable:
    if name == "sid":
        return sql.SQL("sid = coalesce(d.sid, %s)")
    return sql.SQL("{} = %s").format(sql.Identifier(name))
