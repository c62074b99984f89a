"""One reading of the log of one number: what is behind is caught up with, what is missing is taken in.

Messages are told apart by SID alone, so that nothing is taken in twice and no state moves backwards, however often the
log is read and whatever a hook does at the same moment.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from heapq import nsmallest
from itertools import chain, islice

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from relais.clients.addresses import match_key
from relais.clients.models import ClientAddress
from relais.conversations.delivery_states import HAPPY
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.whatsapp import client
from relais.whatsapp.inbound import status_callbacks
from relais.whatsapp.inbound.params import Invalid
from relais.whatsapp.models import LogReading
from relais.whatsapp.reconcile import studio_messages
from relais.whatsapp.reconcile.ingest import Circumstances, take_in

log = logging.getLogger(__name__)
HOOK_FIRST = timedelta(seconds=30)
"""Twilio tries a hook for 15 seconds in all. It tells more than the log (name, button, place), so it goes first."""
NOT_OURS_AFTER = timedelta(minutes=5)
"""By then one of ours is known by its SID, or is undecided."""
CHUNK = 500
MOST = 2_000
"""Missing messages taken in at a time, the oldest first; the log is then read again for the rest."""
MOST_FAILURES = 3
"""Pictures asked for in vain, after which this look asks for no other. Messages without any are taken in."""
MOST_ADDRESSES = 50_000

FROM = {"delivered": HAPPY[: HAPPY.index("delivered")], "read": HAPPY[: HAPPY.index("read")]}
FROM |= {"failed": HAPPY[: HAPPY.index("delivered")]}
"""The states that each of Twilio's moves on."""


class Comparison:
    """What it found stands in its attributes, whatever way it ended."""

    def __init__(
        self,
        reading: LogReading,
        *,
        since: datetime,
        clock: Callable[[], datetime],
        page_size: int,
        still_here: Callable[[], None],
        sleep: Callable[[float], None],
    ) -> None:
        self.reading, self.since, self.clock, self.page_size = reading, since, clock, page_size
        self.still_here = still_here
        """Called between all that takes long; raises when another process reads by now."""
        self.sleep = sleep
        self.interrupted: client.NotNow | client.Unanswered | client.TwilioRefused | None = None
        """Why the log was not read to the end. What was read of it is taken in all the same."""
        self.answers_known_since: datetime | None = None
        """What others wrote before is not known, since the log of what was sent broke off; None when all of it is."""
        self.at = clock()
        self.is_studio = settings.ENVIRONMENT.bot == "studio"
        self.recovered = self.overheard = self.statuses = self.foreign = self.compared = 0
        self.left: list[datetime] = []
        """When each was written that could not be taken in."""
        self.waiting: list[datetime] = []
        """And each of a bot's that may yet turn out to be one of ours."""
        self.answered: dict[str, datetime] = {}

    def run(self) -> None:
        """In passes, until none is full: the oldest first, so that what a client wrote comes in its order.

        Raises as `client.listed`, after what was read until then has been taken in: the rest comes with the next look,
        and stands below it although it is older.
        """
        while True:
            self.left.clear()
            self.waiting.clear()
            self.foreign = self.compared = 0
            missing = nsmallest(MOST, enumerate(chain(self._outbound(), self._inbound())), key=_by_age)
            before = self.recovered + self.overheard
            self._heal([message for _n, message in missing])
            if self.interrupted is not None:
                raise self.interrupted
            if len(missing) < MOST or self.recovered + self.overheard == before:
                return

    # -- comparing -----------------------------------------------------------------------------------

    def _inbound(self) -> Iterator[client.Message]:
        """What clients wrote and we have not."""
        for messages in self._chunks(to=self.reading.sender):
            ripe = {
                m.sid: m for m in messages if m.direction == "inbound" and self._is_settled(m.date_created)
            }
            events = ConversationEvent.objects.filter(message_sid__in=ripe)
            known = set(events.values_list("message_sid", flat=True))
            yield from (message for sid, message in ripe.items() if sid not in known)

    def _outbound(self) -> Iterator[client.Message]:
        """Catches up with the states of ours; what is left is a bot's at Twilio, or nobody's we know."""
        oldest = self.at
        for messages in self._chunks(sender=self.reading.sender):
            oldest = min([oldest, *(m.date_created for m in messages if m.date_created)])
            of_log = {m.sid: m for m in messages if m.direction.startswith("outbound")}
            ours = MessageDelivery.objects.filter(sid__in=of_log)
            for pk, sid, state in ours.values_list("pk", "sid", "state"):
                self._catch_up(pk, state, of_log.pop(sid or ""))
            if self.is_studio:
                yield from self._of_the_bot(list(of_log.values()))
            else:
                self._note_foreign(list(of_log.values()))
        self.answers_known_since = oldest if self.interrupted else None

    def _chunks(self, *, to: str = "", sender: str = "") -> Iterator[list[client.Message]]:
        messages = client.listed(
            to=to, sender=sender, since=self.since, page_size=self.page_size, sleep=self._wait
        )
        while chunk := self._next_chunk(messages):
            self.still_here()
            self.compared += len(chunk)
            yield chunk
            _give_connection_back()

    def _next_chunk(self, messages: Iterator[client.Message]) -> list[client.Message]:
        """As many as there are; where the log breaks off, those before the break."""
        chunk: list[client.Message] = []
        try:
            for message in islice(messages, CHUNK):
                chunk.append(message)
        except (client.NotNow, client.Unanswered, client.TwilioRefused) as failure:
            self.interrupted = failure
        return chunk

    def _wait(self, seconds: float) -> None:
        """Before a page is asked for again."""
        self.still_here()
        _give_connection_back()
        self.sleep(seconds)

    def _is_settled(self, moved: datetime | None) -> bool:
        """No hook can be under way for it."""
        return moved is not None and abs(self.at - moved) >= HOOK_FIRST

    def _catch_up(self, pk: int, state: str, message: client.Message) -> None:
        """A state that no hook told us of. It only moves forward."""
        moved = message.date_updated or message.date_created
        if state not in FROM.get(studio_messages.STATES.get(message.status, ""), ()) or not self._is_settled(
            moved
        ):
            return
        ours = MessageDelivery.objects.select_related("conversation__address").get(pk=pk)
        at = min(moved or self.at, self.at)
        status_callbacks.apply(ours, message.status, sid=message.sid, code=message.error_code, at=at)
        self.statuses += ours.state != state

    def _of_the_bot(self, messages: list[client.Message]) -> Iterator[client.Message]:
        """What was said to clients of ours, once none of it can be a message of ours without its SID."""
        old = [m for m in messages if _age(m, self.at) > studio_messages.PATIENCE]
        addresses = ClientAddress.objects.filter(match_key__in=[match_key(m.to) for m in old])
        ours = set(addresses.values_list("match_key", flat=True)) if old else set()
        return (message for message in old if match_key(message.to) in ours)

    def _note_foreign(self, messages: list[client.Message]) -> None:
        """Sent from the console, by a command or another program; one of ours that is undecided is not judged yet."""
        for message in messages:
            if len(self.answered) < MOST_ADDRESSES and (written := message.date_created):
                to = match_key(message.to)
                self.answered[to] = max(written, self.answered.get(to, written))
        old = [m for m in messages if _age(m, self.at) > NOT_OURS_AFTER]
        undecided = MessageDelivery.objects.filter(state__in=["sending", "uncertain"])
        undecided = undecided.select_related("conversation__address")
        not_judged = {match_key(each.recipient) for each in undecided} if old else set()
        self.foreign += sum(match_key(m.to) not in not_judged for m in old)

    # -- healing -------------------------------------------------------------------------------------

    def _heal(self, messages: list[client.Message]) -> None:
        """One that cannot be had yet keeps back only what its own client wrote after it."""
        known = Circumstances(
            called=bool(messages) and self._is_called(),
            answered=self.answered,
            answers_known_since=self.answers_known_since,
        )
        kept_back: set[str] = set()
        failures = 0
        for message in messages:
            self.still_here()
            who = _client_of(message)
            is_askable = failures < MOST_FAILURES or not message.num_media
            try:
                if who not in kept_back and is_askable:
                    self._take_in(message, known)
                    continue
            except studio_messages.Undecided:
                self.waiting.append(message.date_created or self.at)
                continue
            except (OperationalError, InterfaceError):
                raise
            except (client.NotNow, client.Unanswered):
                failures += 1
            except Exception as error:
                # Whatever is wrong with this one, its neighbours are well.
                told = {"sid": message.sid, "why": type(error).__name__}
                log.error("a message of Twilio's log could not be taken in", extra=told)
            kept_back.add(who)
            self.left.append(message.date_created or self.at)

    def _take_in(self, message: client.Message, known: Circumstances) -> None:
        if message.direction != "inbound":
            self.overheard += studio_messages.append(message, at=self.clock())
            return
        try:
            taken = take_in(message, known, at=self.clock())
        except Invalid:
            self.foreign += 1  # An address of another channel.
            return
        if self.is_studio:
            self.overheard += taken
        else:
            self.recovered += taken

    def _is_called(self) -> bool:
        if self.reading.called_at is None:
            came = ConversationEvent.objects.filter(
                conversation__in=Conversation.objects.filter(
                    sender=self.reading.sender, last_activity_at__gte=self.reading.connected_at
                ),
                event_type="message_received",
                created_at__gte=self.reading.connected_at,
            )
            first = came.exclude(metadata__has_key="occurred_at").values_list("created_at", flat=True).first()
            self.reading.called_at = first
            LogReading.objects.filter(pk=self.reading.pk).update(called_at=first)
        return self.reading.called_at is not None


# -- small things about messages ---------------------------------------------------------------------


def _by_age(numbered: tuple[int, client.Message]) -> tuple[datetime, bool, int]:
    """Twilio's dates are whole seconds: within one the log's own order decides, which has the newest first."""
    n, message = numbered
    assert message.date_created
    return message.date_created, message.direction != "inbound", -n


def _client_of(message: client.Message) -> str:
    return message.from_ if message.direction == "inbound" else message.to


def _age(message: client.Message, at: datetime) -> timedelta:
    return at - (message.date_created or at)


def _give_connection_back() -> None:
    """Twilio is asked for the next page: none of the database's few connections waits for that."""
    if not connection.in_atomic_block:
        connection.close()
