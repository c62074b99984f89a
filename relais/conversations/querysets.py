"""Every question asked of the tables by name: `.open()`, `.waiting()`, `.held_by(agent)`, `.due(at)`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q, Subquery, Value

from relais.accounts.models import User
from relais.clients.addresses import CHANNEL, match_key
from relais.clients.models import Client, ClientAddress
from relais.conversations.states import ENDED_STATUSES, OPEN_STATUSES, DeliveryState, Status
from relais.conversations.time_limits import MAX_RETRY_DELAY, UNCERTAIN_HOLD
from relais.text import ascii_digits

if TYPE_CHECKING:
    from relais.conversations.models import Conversation, MessageDelivery  # noqa: F401 (type arguments below)

WITH_BOT = Q(status=Status.ACTIVE)
WAITING = Q(status=Status.TRANSFERRED, agent=None)
HELD = Q(status=Status.TRANSFERRED, agent__isnull=False)

MAX_CLIENTS_BY_ID = 2_000
"""Up to so many clients that match a search, their conversations are looked up by client id."""
MIN_SEARCH_DIGITS = 3


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
        return self.filter(status__in=ENDED_STATUSES)

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

    def search(self, text: str) -> ConversationQuerySet:
        """The client's name or number contains `text`; accents, case and grouping of digits do not matter."""
        client_ids = list(_clients_matching(text)[: MAX_CLIENTS_BY_ID + 1])
        if len(client_ids) <= MAX_CLIENTS_BY_ID:
            return self.filter(client__in=client_ids)
        # So many that going through the list in its order and testing each row finds the first page soon.
        by_name = Exists(_clients_by_name(text).filter(pk=OuterRef("client")))
        by_number = _addresses_by_number(text)
        return self.filter(
            by_name | Exists(by_number.filter(client=OuterRef("client")))
            if by_number is not None
            else by_name
        )


def _clients_matching(text: str) -> models.QuerySet[Any, int]:
    by_name = _clients_by_name(text).values_list("pk", flat=True)
    by_number = _addresses_by_number(text)
    # A union and not an OR: with OR PostgreSQL uses the index of neither.
    if by_number is None:
        return by_name
    return by_name.union(by_number.values_list("client_id", flat=True), all=True)


def _addresses_by_number(text: str) -> models.QuerySet[ClientAddress] | None:
    """Addresses that contain the digits of the text, of every script; None when there are too few digits.

    A whole number finds its client in each of its national forms.
    """
    digits = "".join(c for c in ascii_digits(text) if c in "0123456789")
    if len(digits) < MIN_SEARCH_DIGITS:
        return None
    number = digits.removeprefix("00").lstrip("0") or digits
    return ClientAddress.objects.filter(
        Q(address__contains=number) | Q(match_key=match_key(f"{CHANNEL}+{number}"))
    )


class UnaccentLower(Func):
    """Lower case without accents; immutable, so that it can be indexed (see migration 0002)."""

    function = "relais_plain"
    output_field = models.TextField()


def _clients_by_name(text: str) -> models.QuerySet[Any]:
    wanted = UnaccentLower(Value(text.strip()))
    return Client.objects.annotate(
        plain_name=UnaccentLower("client_full_name"), plain_profile=UnaccentLower("whatsapp_profile_name")
    ).filter(Q(plain_name__contains=wanted) | Q(plain_profile__contains=wanted))


class MessageDeliveryQuerySet(models.QuerySet["MessageDelivery"]):
    def blocking(self, at: datetime) -> MessageDeliveryQuerySet:
        """Rows that hold back the later ones of their conversation.

        An uncertain row with a hold longer than any was written before the clock was set back: it blocks nothing.
        """
        undecided = [DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNCERTAIN]
        return self.filter(_is_not_expired(at), state__in=undecided)

    def due(self, at: datetime) -> MessageDeliveryQuerySet:
        """What may be sent now: of each conversation the oldest queued row, if nothing before it is undecided.

        Persons' texts come first between conversations, never within one. A row that was never tried ignores the clock,
        and so does a retry delay longer than any we set: clocks are set back.
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
        due = waiting.filter(may_retry, first_before=None, first_under_way=None, state=DeliveryState.QUEUED)
        return due.order_by("-by_person", "id")


def _is_not_expired(at: datetime) -> Q:
    return ~Q(state=DeliveryState.UNCERTAIN) | Q(
        uncertain_until__gt=at, uncertain_until__lt=at + 2 * UNCERTAIN_HOLD
    )
