"""Snoozing: a held conversation leaves its holder's list until a time, or until the client writes.

Three columns tell it: `snoozed_at` (null: not snoozed), `snoozed_until` (null: until the client writes) and, once it is
over, `snooze_end`: `due` or `reply`, shown until the holder has answered. A trigger (migration 0020) ends a snooze when
the client writes, and ends it without a trace when the conversation ends or changes hands: no verb can forget it.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import InvalidField
from relais.conversations import permissions
from relais.conversations.errors import StateConflict
from relais.conversations.events import SYSTEM, Author
from relais.conversations.querysets import ConversationQuerySet
from relais.conversations.states import UNTIL_REPLY, Situation

if TYPE_CHECKING:
    from relais.conversations.models import Conversation

MAX_SNOOZE = timedelta(days=366)
WAKE_BATCH_SIZE = 100
MAX_RUN_SECONDS = 50


class SnoozeMixin:
    if TYPE_CHECKING:
        snoozed_at: Any
        snoozed_until: Any
        snooze_end: Any

    @property
    def is_snoozed(self) -> bool:
        return self.snoozed_at is not None

    @transaction.atomic
    def snooze(self: Conversation, until: datetime | None, *, by: User, at: datetime) -> None:
        """Until that time, or until the client writes if it is None; by the holder or a supervisor. Idempotent."""
        locked = self._lock_to_snooze(by)
        if until is not None and not at < until <= at + MAX_SNOOZE:
            raise InvalidField("until", _("Choisissez un moment à venir, d'ici un an."))
        if not locked.is_snoozed or locked.snoozed_until != until:
            self._set_snooze(snoozed_at=at, snoozed_until=until, snooze_end="")
            metadata = {"until": until.isoformat() if until else UNTIL_REPLY}
            self.append_event("snoozed", by=Author.from_user(by), at=at, metadata=metadata, is_activity=False)
        self.refresh_from_db()

    @transaction.atomic
    def end_snooze(self: Conversation, *, by: User, at: datetime) -> None:
        """Back to the holder's list; also removes what reminds of a snooze that is over. Idempotent."""
        locked = self._lock_to_snooze(by)
        if locked.is_snoozed or locked.snooze_end:
            self._set_snooze(snoozed_at=None, snoozed_until=None, snooze_end="")
        if locked.is_snoozed:
            self.append_event("snooze_ended", by=Author.from_user(by), at=at)
        elif locked.snooze_end:
            self.bump_rev()
        self.refresh_from_db()

    @transaction.atomic
    def end_due_snooze(self: Conversation, *, at: datetime) -> bool:
        """Return it on top of its holder's list if its time has come."""
        until = self.locked().snoozed_until
        due = type(self).objects.due_snoozes(at).filter(pk=self.pk)
        if until is None or not due.update(
            snoozed_at=None, snooze_end="due", unanswered_since=Coalesce("unanswered_since", "snoozed_at")
        ):
            return False
        self.append_event("snooze_ended", by=SYSTEM, at=at, metadata={"until": until.isoformat()})
        return True

    def forget_snooze(self: Conversation) -> None:
        """The holder has answered: what reminded of the snooze is done. Called under the row lock."""
        if self.snooze_end:
            self._set_snooze(snoozed_until=None, snooze_end="")

    def _lock_to_snooze(self: Conversation, by: User) -> Conversation:
        locked = self.locked()
        if permissions.SNOOZE.is_allowed(locked, by):
            return locked
        if locked.is_open and locked.situation is not Situation.HELD and by.is_supervisor:
            raise StateConflict(
                locked, _("Personne ne tient cette conversation : il n'y a rien à mettre en pause.")
            )
        raise locked._refusal(by)

    def _set_snooze(self: Conversation, **fields: Any) -> None:
        type(self).objects.filter(pk=self.pk).update(**fields)


def end_due_snoozes(
    conversations: ConversationQuerySet, *, at: datetime, max_seconds: float = MAX_RUN_SECONDS
) -> int:
    """End those whose time has come; returns how many. In id order, each in a transaction of its own."""
    ended, last_id, deadline = 0, 0, time.monotonic() + max_seconds
    due = conversations.due_snoozes(at).order_by("id")
    while (batch := list(due.filter(pk__gt=last_id)[:WAKE_BATCH_SIZE])) and (
        not last_id or time.monotonic() < deadline
    ):
        ended += sum(conversation.end_due_snooze(at=at) for conversation in batch)
        last_id = batch[-1].pk
    return ended
