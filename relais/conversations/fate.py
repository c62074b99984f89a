"""The fate of one outgoing message: queued → sending → sent → delivered → read, or failed, uncertain, refused.

Every move is made under the conversation's row lock, goes forward only, and raises the conversation's `rev`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction

from relais.conversations.history import SYSTEM

if TYPE_CHECKING:
    from relais.conversations.models import MessageDelivery

LEASE = timedelta(seconds=30)
"""How long a claim is believed without a word from its process."""
DOUBT = timedelta(minutes=2)
"""How long an uncertain message keeps the next ones of its conversation waiting."""

HAPPY = ("queued", "sending", "uncertain", "sent", "delivered", "read")
TIMES = {"sent": "sent_at", "delivered": "delivered_at", "read": "read_at"}


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
        return self._change(
            ("queued",),
            state="sending",
            claimed_by=by,
            claimed_at=at,
            lease_until=at + LEASE,
            attempt=self.attempt + 1,
        )

    def accepted(self: MessageDelivery, sid: str, *, at: datetime) -> None:
        """Twilio answered the call and named the message."""
        self.advance("sent", at=at, sid=sid)

    def advance(self: MessageDelivery, state: str, *, at: datetime, sid: str | None = None) -> bool:
        """Move forward to `sent`, `delivered` or `read`; a lower or equal state changes nothing but an unknown sid."""
        known = {"sid": sid} if sid and not self.sid else {}
        lower = HAPPY[: HAPPY.index(state)]
        if self._change(lower, state=state, **known, **{TIMES[state]: at}):
            return True
        return bool(known) and self._change((*HAPPY, "failed"), sid=sid)

    def failed(
        self: MessageDelivery, *, at: datetime, code: int | None, error: str, sid: str | None = None
    ) -> bool:
        """It will not arrive. The first error stays; what was delivered stays delivered."""
        known = {"sid": sid} if sid and not self.sid else {}
        return self._change(
            ("queued", "sending", "uncertain", "sent"),
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
        return self._change(("sending",), state="uncertain", uncertain_until=at + DOUBT, error=error)

    def postpone(self: MessageDelivery, *, until: datetime, error: str) -> bool:
        """It certainly did not leave; try again then."""
        return self._change(
            ("sending",), state="queued", not_before=until, error=error, claimed_by=None, lease_until=None
        )

    @transaction.atomic
    def _change(self: MessageDelivery, from_states: tuple[str, ...], **fields: Any) -> bool:
        conversation = self.conversation.locked()
        if type(self).objects.filter(pk=self.pk, state__in=from_states).exists():
            type(self).objects.filter(pk=self.pk).update(rev=conversation.touch(), **fields)
            self.refresh_from_db()
            return True
        self.refresh_from_db()
        return False
