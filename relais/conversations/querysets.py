"""Every question asked of the tables by name: `.open()`, `.waiting()`, `.held_by(agent)`, `.due(at)`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.db.models import F, OuterRef, Q, Subquery

from relais.accounts.models import User
from relais.conversations.list_search import matches_client
from relais.conversations.service_window import SERVICE_WINDOW
from relais.conversations.states import ENDED_STATUSES, OPEN_STATUSES, DeliveryState, Status
from relais.conversations.time_limits import MAX_RETRY_DELAY, UNCERTAIN_HOLD
from relais.undo_limits import MAX_UNDO_HOLD

if TYPE_CHECKING:
    from relais.conversations.models import Conversation, MessageDelivery  # noqa: F401 (type arguments below)

WITH_BOT = Q(status=Status.ACTIVE)
WAITING = Q(status=Status.TRANSFERRED, agent=None)
HELD = Q(status=Status.TRANSFERRED, agent__isnull=False)
ENDED = Q(status__in=ENDED_STATUSES)

REV_BATCH_SIZE = 100


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def open(self) -> ConversationQuerySet:
        return self.filter(status__in=OPEN_STATUSES)

    def with_bot(self) -> ConversationQuerySet:
        return self.filter(WITH_BOT)

    def waiting(self) -> ConversationQuerySet:
        return self.filter(WAITING)

    def held(self) -> ConversationQuerySet:
        return self.filter(HELD)

    def held_by(self, agent: User) -> ConversationQuerySet:
        return self.filter(status=Status.TRANSFERRED, agent=agent)

    def attended(self) -> ConversationQuerySet:
        """Open, and a bot or an agent is answering."""
        return self.open().exclude(WAITING)

    def ended(self) -> ConversationQuerySet:
        return self.filter(ENDED)

    def unread(self) -> ConversationQuerySet:
        return self.filter(last_inbound_seq__gt=F("read_seq"))

    def visible_to(self, user: User) -> ConversationQuerySet:
        """The permission to see: supervisors and above see all, agents those of their team and of no team."""
        if not user.is_active:
            return self.none()
        if user.is_supervisor:
            return self
        return self.filter(Q(team=None) | Q(team=user.team_id) if user.team_id else Q(team=None))

    def inactive_since(self, moment: datetime) -> ConversationQuerySet:
        """Held by nobody, no flow waits for an answer, and the client wrote nothing since `moment`."""
        return self.filter(
            Q(last_inbound_at__lt=moment) | Q(last_inbound_at=None),
            # A message that reached us days late opens one whose client has long been silent.
            Q(started_at__lt=moment),
            Q(bot_waits_until=None),
            WITH_BOT | WAITING,
        )

    def with_window_closing_by(self, moment: datetime, *, at: datetime) -> ConversationQuerySet:
        """Whose 24-hour window is open and closes until `moment`."""
        return self.filter(
            last_inbound_at__gt=at - SERVICE_WINDOW, last_inbound_at__lte=moment - SERVICE_WINDOW
        )

    def unanswered(self) -> ConversationQuerySet:
        """The client wrote last, and may be answered: he has not opted out."""
        return self.filter(unanswered_since__isnull=False, address__opted_out_at=None)

    def snoozed(self) -> ConversationQuerySet:
        return self.filter(snoozed_at__isnull=False)

    def not_snoozed(self) -> ConversationQuerySet:
        return self.filter(snoozed_at=None)

    def due_snoozes(self, at: datetime) -> ConversationQuerySet:
        return self.snoozed().filter(snoozed_until__lte=at)

    def raise_revs(self, ids: Sequence[int]) -> None:
        """Show these conversations again wherever they are shown; in slices and id order, as all bulk changes."""
        for start in range(0, len(ids), REV_BATCH_SIZE):
            batch = ids[start : start + REV_BATCH_SIZE]
            with transaction.atomic():
                list(
                    self.select_for_update(no_key=True).filter(pk__in=batch).order_by("pk").values_list("pk")
                )
                self.filter(pk__in=batch).update(rev=F("rev") + 1)

    def search(self, text: str) -> ConversationQuerySet:
        """The client's name or number contains `text` (see `list_search.py`)."""
        return self.filter(matches_client(text))


class MessageDeliveryQuerySet(models.QuerySet["MessageDelivery"]):
    def with_ref(self, ref: str | None) -> MessageDelivery | None:
        """What an earlier request with this idempotency key created; None without a key."""
        return self.filter(ref=ref).first() if ref else None

    def blocking(self, at: datetime) -> MessageDeliveryQuerySet:
        """Rows that hold back the later ones of their conversation.

        An uncertain row with a hold longer than any was written before the clock was set back: it blocks nothing.
        """
        undecided = [DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNCERTAIN]
        return self.filter(_is_not_expired(at), state__in=undecided)

    def due(self, at: datetime) -> MessageDeliveryQuerySet:
        """What may be sent now: of each conversation the oldest queued row, if nothing before it is undecided.

        Persons' texts come first between conversations, never within one. A row that was never tried ignores the clock
        unless its author can still undo it, and so does a delay longer than any we set: clocks are set back.
        """
        same = self.model._default_manager.filter(conversation=OuterRef("conversation"))
        before = same.blocking(at).filter(id__lt=OuterRef("id"))
        under_way = same.filter(
            _is_not_expired(at), state__in=[DeliveryState.SENDING, DeliveryState.UNCERTAIN]
        )
        may_retry = Q(attempt=0) | Q(not_before__lte=at) | Q(not_before__gt=at + 2 * MAX_RETRY_DELAY)
        # Subqueries row by row and not `exists`, which the planner may turn into a join: where the statistics make a
        # full outbox look unlikely, each queued row would be compared with each other (5,000 rows: 12 s, not 15 ms).
        first_before, first_under_way = (Subquery(each.values("pk")[:1]) for each in (before, under_way))
        waiting = self.alias(first_before=first_before, first_under_way=first_under_way)
        is_released = Q(held_until=None) | Q(held_until__lte=at) | Q(held_until__gt=at + MAX_UNDO_HOLD)
        due = waiting.filter(
            may_retry, is_released, first_before=None, first_under_way=None, state=DeliveryState.QUEUED
        )
        return due.order_by("-by_person", "id")


def _is_not_expired(at: datetime) -> Q:
    return ~Q(state=DeliveryState.UNCERTAIN) | Q(
        uncertain_until__gt=at, uncertain_until__lt=at + 2 * UNCERTAIN_HOLD
    )
