"""Compares Twilio's message log of one number with the database: catches up with states, ingests what is missing.

Deduplication is by message SID alone. So nothing is ingested twice and no state moves backwards, however often the log
is read and whatever a hook does at the same moment.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from heapq import nsmallest
from itertools import chain, islice

from django.conf import settings
from django.db import InterfaceError, OperationalError

from relais.clients.addresses import match_key
from relais.clients.models import ClientAddress
from relais.conversations.delivery_states import STATES_BY_RANK
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.db_connection import release_connection_unless_in_transaction
from relais.whatsapp import client
from relais.whatsapp.inbound import status_callbacks
from relais.whatsapp.inbound.params import InvalidParams
from relais.whatsapp.models import LogReconciliation
from relais.whatsapp.reconcile import studio_messages
from relais.whatsapp.reconcile.ingest import AnswerContext, ingest_recovered

log = logging.getLogger(__name__)
HOOK_GRACE_PERIOD = timedelta(seconds=30)
"""Twilio retries a hook for 15 seconds in all. A hook carries more than the log (name, button, location), so it goes
first."""
FOREIGN_AFTER = timedelta(minutes=5)
"""By then a message of ours has its SID, or is undecided."""
CHUNK_SIZE = 500
MAX_INGESTED_PER_PASS = 2_000
"""The oldest missing messages are ingested first; the log is then read again for the rest."""
MAX_MEDIA_FAILURES = 3
"""Failed media lists after which this poll asks for no other. Messages without media are still ingested."""
MAX_TRACKED_ADDRESSES = 50_000

EARLIER_STATES = {
    "delivered": STATES_BY_RANK[: STATES_BY_RANK.index("delivered")],
    "read": STATES_BY_RANK[: STATES_BY_RANK.index("read")],
    "failed": STATES_BY_RANK[: STATES_BY_RANK.index("delivered")],
}
"""The delivery states that each of Twilio's statuses moves forward."""


class LogComparison:
    """One comparison. Its results are its attributes, whichever way it ended."""

    def __init__(
        self,
        reconciliation: LogReconciliation,
        *,
        since: datetime,
        clock: Callable[[], datetime],
        page_size: int,
        renew_lease: Callable[[], None],
        sleep: Callable[[float], None],
    ) -> None:
        self.reconciliation, self.since, self.clock, self.page_size = reconciliation, since, clock, page_size
        self.renew_lease = renew_lease
        """Called between all slow steps. Raises when the lease is lost to another process."""
        self.sleep = sleep
        self.interrupted: client.RetryLater | client.OutcomeUnknown | client.TwilioRefused | None = None
        """Why the log was not read to the end. What was read of it is ingested all the same."""
        self.answers_known_since: datetime | None = None
        """Messages that others sent before are unknown, since the log of sent messages was interrupted. None when all
        are known."""
        self.at = clock()
        self.is_studio = settings.ENVIRONMENT.bot == "studio"
        self.recovered = self.overheard = self.statuses = self.foreign = self.compared = 0
        self.left: list[datetime] = []
        """Creation times of the messages that could not be ingested."""
        self.undecided: list[datetime] = []
        """And of those of a Studio bot that may still turn out to be one of ours."""
        self.answered: dict[str, datetime] = {}

    def run(self) -> None:
        """Compare in passes until one is not full. The oldest go first, so that a client's messages keep their order.

        Raises like `client.list_messages`, after what was read until then has been ingested. The rest comes with the
        next poll and stands below it, although it is older.
        """
        while True:
            self.left.clear()
            self.undecided.clear()
            self.foreign = self.compared = 0
            log_messages = chain(self._outbound(), self._inbound())
            missing = nsmallest(MAX_INGESTED_PER_PASS, enumerate(log_messages), key=_by_age)
            before = self.recovered + self.overheard
            self._ingest_all([message for _n, message in missing])
            if self.interrupted is not None:
                raise self.interrupted
            if len(missing) < MAX_INGESTED_PER_PASS or self.recovered + self.overheard == before:
                return

    # -- comparing -----------------------------------------------------------------------------------

    def _inbound(self) -> Iterator[client.TwilioMessage]:
        """Messages of clients that are not stored."""
        for messages in self._chunks(to=self.reconciliation.sender):
            settled = {
                message.sid: message
                for message in messages
                if message.direction == "inbound" and self._is_settled(message.date_created)
            }
            events = ConversationEvent.objects.filter(message_sid__in=settled)
            known = set(events.values_list("message_sid", flat=True))
            yield from (message for sid, message in settled.items() if sid not in known)

    def _outbound(self) -> Iterator[client.TwilioMessage]:
        """Catch up with the states of our deliveries. The rest are messages of a Studio bot, or foreign ones."""
        oldest = self.at
        for messages in self._chunks(sender=self.reconciliation.sender):
            oldest = min([oldest, *(message.date_created for message in messages if message.date_created)])
            outbound = {
                message.sid: message for message in messages if message.direction.startswith("outbound")
            }
            deliveries = MessageDelivery.objects.filter(sid__in=outbound)
            for pk, sid, state in deliveries.values_list("pk", "sid", "state"):
                self._catch_up(pk, state, outbound.pop(sid or ""))
            if self.is_studio:
                yield from self._from_studio(list(outbound.values()))
            else:
                self._count_foreign(list(outbound.values()))
        self.answers_known_since = oldest if self.interrupted else None

    def _chunks(self, *, to: str = "", sender: str = "") -> Iterator[list[client.TwilioMessage]]:
        messages = client.list_messages(
            to=to, sender=sender, since=self.since, page_size=self.page_size, sleep=self._sleep
        )
        while chunk := self._next_chunk(messages):
            self.renew_lease()
            self.compared += len(chunk)
            yield chunk
            release_connection_unless_in_transaction()

    def _next_chunk(self, messages: Iterator[client.TwilioMessage]) -> list[client.TwilioMessage]:
        """Up to CHUNK_SIZE messages; fewer where the log is interrupted."""
        chunk: list[client.TwilioMessage] = []
        try:
            for message in islice(messages, CHUNK_SIZE):
                chunk.append(message)
        except (client.RetryLater, client.OutcomeUnknown, client.TwilioRefused) as failure:
            self.interrupted = failure
        return chunk

    def _sleep(self, seconds: float) -> None:
        """Before a page is retried."""
        self.renew_lease()
        release_connection_unless_in_transaction()
        self.sleep(seconds)

    def _is_settled(self, changed_at: datetime | None) -> bool:
        """Whether no hook can be under way for it any more."""
        return changed_at is not None and abs(self.at - changed_at) >= HOOK_GRACE_PERIOD

    def _catch_up(self, pk: int, state: str, message: client.TwilioMessage) -> None:
        """Apply a status whose callback was lost. It only moves forward."""
        changed_at = message.date_updated or message.date_created
        earlier_states = EARLIER_STATES.get(studio_messages.DELIVERY_STATES.get(message.status, ""), ())
        if state not in earlier_states or not self._is_settled(changed_at):
            return
        delivery = MessageDelivery.objects.select_related("conversation__address").get(pk=pk)
        at = min(changed_at or self.at, self.at)
        status_callbacks.apply_status(
            delivery, message.status, sid=message.sid, code=message.error_code, at=at
        )
        self.statuses += delivery.state != state

    def _from_studio(self, messages: list[client.TwilioMessage]) -> Iterator[client.TwilioMessage]:
        """Messages of a Studio bot to known clients, once none of them can be ours without its SID."""
        old = [m for m in messages if _age(m, self.at) > studio_messages.LOOKUP_DELAY]
        addresses = ClientAddress.objects.filter(match_key__in=[match_key(m.to) for m in old])
        clients = set(addresses.values_list("match_key", flat=True)) if old else set()
        return (message for message in old if match_key(message.to) in clients)

    def _count_foreign(self, messages: list[client.TwilioMessage]) -> None:
        """Messages sent from the console, by a command or by another program. While one of ours to the same client is
        undecided, they are not counted.
        """
        for message in messages:
            if len(self.answered) < MAX_TRACKED_ADDRESSES and (created := message.date_created):
                to = match_key(message.to)
                self.answered[to] = max(created, self.answered.get(to, created))
        old = [m for m in messages if _age(m, self.at) > FOREIGN_AFTER]
        undecided = MessageDelivery.objects.filter(state__in=["sending", "uncertain"])
        undecided = undecided.select_related("conversation__address")
        undecided_keys = {match_key(delivery.recipient) for delivery in undecided} if old else set()
        self.foreign += sum(match_key(m.to) not in undecided_keys for m in old)

    # -- ingesting -----------------------------------------------------------------------------------

    def _ingest_all(self, messages: list[client.TwilioMessage]) -> None:
        """A message that cannot be ingested yet holds back only the later ones of its own client."""
        context = AnswerContext(
            called=bool(messages) and self._is_called(),
            answered=self.answered,
            answers_known_since=self.answers_known_since,
        )
        held_back: set[str] = set()
        failures = 0
        for message in messages:
            self.renew_lease()
            address = _client_address(message)
            can_list_media = failures < MAX_MEDIA_FAILURES or not message.num_media
            try:
                if address not in held_back and can_list_media:
                    self._ingest(message, context)
                    continue
            except studio_messages.Undecided:
                self.undecided.append(message.date_created or self.at)
                continue
            except (OperationalError, InterfaceError):
                raise
            except (client.RetryLater, client.OutcomeUnknown):
                failures += 1
            except Exception as error:
                # Whatever is wrong with this message, go on with the others.
                fields = {"sid": message.sid, "why": type(error).__name__}
                log.error("message of Twilio's log could not be ingested", extra=fields)
            held_back.add(address)
            self.left.append(message.date_created or self.at)

    def _ingest(self, message: client.TwilioMessage, context: AnswerContext) -> None:
        if message.direction != "inbound":
            self.overheard += studio_messages.record_sent(message, at=self.clock())
            return
        try:
            is_new = ingest_recovered(message, context, at=self.clock())
        except InvalidParams:
            self.foreign += 1  # An address of another channel.
            return
        if self.is_studio:
            self.overheard += is_new
        else:
            self.recovered += is_new

    def _is_called(self) -> bool:
        if self.reconciliation.called_at is None:
            received = ConversationEvent.objects.filter(
                conversation__in=Conversation.objects.filter(
                    sender=self.reconciliation.sender, last_activity_at__gte=self.reconciliation.connected_at
                ),
                event_type="message_received",
                created_at__gte=self.reconciliation.connected_at,
            )
            by_hook = received.exclude(metadata__has_key="occurred_at")
            first = by_hook.values_list("created_at", flat=True).first()
            self.reconciliation.called_at = first
            LogReconciliation.objects.filter(pk=self.reconciliation.pk).update(called_at=first)
        return self.reconciliation.called_at is not None


# -- helpers about messages ----------------------------------------------------------------------------


def _by_age(numbered: tuple[int, client.TwilioMessage]) -> tuple[datetime, bool, int]:
    """Twilio's dates are whole seconds. Within one, the log's own order decides, which is newest first."""
    n, message = numbered
    assert message.date_created
    return message.date_created, message.direction != "inbound", -n


def _client_address(message: client.TwilioMessage) -> str:
    return message.from_ if message.direction == "inbound" else message.to


def _age(message: client.TwilioMessage, at: datetime) -> timedelta:
    return at - (message.date_created or at)
