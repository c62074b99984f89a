"""Clears up what nobody told: claims of processes that died, and messages whose call got no answer.

A status callback with our ref settles most of them at once. For the rest Twilio's log is asked, twice. What it has is
taken as sent; what it does not have leaves once more by itself, unless a person wrote it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import psycopg
from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, connection, transaction
from django.db.models import F, Q
from django.utils.translation import gettext_noop as _

from relais.clients.addresses import national_forms
from relais.conversations.models import ConversationEvent, MessageDelivery
from relais.conversations.querysets import MessageDeliveryQuerySet
from relais.conversations.states import CLAIM_LEASE, UNCERTAIN_HOLD, AuthorKind
from relais.db_connection import release_connection, release_connection_unless_in_transaction
from relais.whatsapp import client
from relais.whatsapp.assumptions import SECOND_LOG_LOOKUP_AFTER
from relais.whatsapp.database_clock import SharedClock
from relais.whatsapp.inbound.status_callbacks import apply_status

log = logging.getLogger(__name__)
LOOK_EVERY = 1.0
ASKERS = 16
ASKS = 2
BEFORE = timedelta(seconds=60)
"""How far Twilio's clock and ours may disagree about when a message was made."""
TRIED_AGAIN_AFTER = timedelta(seconds=5)
"""When Twilio did not answer the question either, while others wait for the answer."""
SELDOM = timedelta(minutes=1)
UNANSWERED_FOR = timedelta(seconds=30)
"""An asker that gave no word for so long is dead: another one asks."""
ASKED_UNTIL = timedelta(minutes=30)
SILENT = 3.0
"""Seconds without a sign of life after which a process counts as dead."""
NO_ANSWER = _("Twilio n'a pas dit si ce message est parti.")

# Shared, so that a process which connects anew never waits for its own old connection to be noticed as broken.
SHOW_LIFE = "select pg_advisory_lock_shared(hashtextextended(%s, 0))"
WITHOUT_LIFE = """
select distinct d.claimed_by from message_deliveries d where d.state = 'sending' and d.claimed_by <> %s
   and not exists (
     select 1 from pg_locks l where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
        and l.database = (select oid from pg_database where datname = current_database())
        and (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(d.claimed_by, 0))
"""


class Unclear(Exception):
    """There are messages in the log that may be it, and nothing tells them apart."""


def show_life(connected: psycopg.Connection[Any], name: str) -> None:
    """As long as this connection lives, the process `name` does."""
    connected.execute(SHOW_LIFE, [name])


class Doubts:
    """Beside the sender, in a thread of its own: what is asked here never keeps a message from leaving."""

    def __init__(self, name: str, clock: SharedClock) -> None:
        self._name = name
        self._clock = clock
        self._silent: dict[str, float] = {}
        self._asking: set[int] = set()
        self._stopping = threading.Event()

    def run(self) -> None:
        with ThreadPoolExecutor(ASKERS, thread_name_prefix="doubts") as askers:
            while not self._stopping.wait(0.1 if self._asking else LOOK_EVERY):
                try:
                    doubt_lapsed_claims(self._clock.now())
                    doubt_claims_of(self._dead(), self._clock.now())
                    for delivery in self._to_ask():
                        self._asking.add(delivery.pk)
                        askers.submit(self._clear_up, delivery)
                except (DatabaseError, InterfaceError) as error:
                    log.warning("doubts cannot be looked at", extra={"error": type(error).__name__})
                except Exception:
                    log.exception("doubts were not looked at")
                finally:
                    release_connection()

    def stop(self) -> None:
        self._stopping.set()

    def _dead(self) -> list[str]:
        """Processes with claims and without a sign of life, now and some seconds ago."""
        with connection.cursor() as cursor:
            cursor.execute(WITHOUT_LIFE, [self._name])
            silent = {name for (name,) in cursor.fetchall()}
        now = time.monotonic()
        self._silent = {name: self._silent.get(name, now) for name in silent}
        return [name for name, since in self._silent.items() if now - since >= SILENT]

    def _to_ask(self) -> list[MessageDelivery]:
        """As many as there are askers free: one that waits for its turn would count as asked by a dead one."""
        free = ASKERS - len(self._asking)
        return take_to_ask(self._clock.now(), most=free) if free else []

    def _clear_up(self, delivery: MessageDelivery) -> None:
        try:
            clear_up(delivery, self._clock)
        except Exception:
            log.exception("a doubt was not cleared up", extra={"delivery": delivery.pk})
        finally:
            release_connection()
            self._asking.discard(delivery.pk)


def doubt_lapsed_claims(at: datetime) -> int:
    """Claims whose process gave no word within the lease. One that ends later than any can is a clock's work."""
    over = Q(lease_until__lt=at) | Q(lease_until__gt=at + 2 * CLAIM_LEASE)
    return _doubt(MessageDelivery.objects.filter(over, state="sending"), at)


def doubt_claims_of(dead: Sequence[str], at: datetime) -> int:
    return _doubt(MessageDelivery.objects.filter(state="sending", claimed_by__in=dead), at) if dead else 0


def _doubt(claims: Any, at: datetime) -> int:
    return sum(claim.mark_uncertain(at=at, error=NO_ANSWER) for claim in claims.order_by("id"))


@transaction.atomic
def take_to_ask(at: datetime, *, most: int) -> list[MessageDelivery]:
    """Uncertain ones about which Twilio's log is asked now, by us and by no other process."""
    due = Q(ask_after__lte=at) | Q(ask_after__gt=at + 2 * SECOND_LOG_LOOKUP_AFTER)
    rows = MessageDelivery.objects.filter(due, state="uncertain", sid=None)
    rows = rows.select_related("event", "conversation__address").order_by("ask_after")
    taken = list(rows.select_for_update(skip_locked=True, of=("self",))[:most])
    MessageDelivery.objects.filter(pk__in=[each.pk for each in taken]).update(ask_after=at + UNANSWERED_FOR)
    return taken


def clear_up(delivery: MessageDelivery, clock: SharedClock) -> None:
    """Ask Twilio's log, outside any transaction, and write down what it means."""
    try:
        found = look_for(delivery, at=clock.now())
    except (client.RetryLater, client.OutcomeUnknown, client.TwilioRefused, Unclear) as silence:
        log.info("a doubt stays", extra={"delivery": delivery.pk, "why": type(silence).__name__})
        _ask_later(delivery, clock.now())
        return
    if found is not None:
        _take_as_sent(delivery, found, clock.now())
    elif delivery.asked + 1 < ASKS:
        after = clock.now() + SECOND_LOG_LOOKUP_AFTER
        _still_uncertain(delivery).update(asked=F("asked") + 1, ask_after=after)
    else:
        _give_up(delivery, clock.now())


def look_for(delivery: MessageDelivery, *, at: datetime) -> client.TwilioMessage | None:
    """The message in Twilio's log that this delivery became. Raises Unclear, and as `client.list_messages`.

    A text is known by its words. Of templates and pictures the log does not tell enough: one is taken when it is the
    only one in question. Each message serves one delivery, the older the older.
    """
    release_connection_unless_in_transaction()
    listed = _listed_to_all_forms(delivery, since=_since(delivery, at))
    if _is_another_under_way(delivery):
        raise Unclear
    unknown = _unknown([each for each in reversed(listed) if each.direction.startswith("outbound")])
    if _is_plain(delivery):
        same = [each for each in unknown if _words(each.body) == _words(delivery.event.body)]
        before = _older_twins(delivery, at)
        return same[before] if len(same) > before else None
    alike = [each for each in unknown if bool(each.num_media) == ("media_url" in delivery.event.metadata)]
    if len(alike) > 1 or (alike and not alike[0].num_media and settings.ENVIRONMENT.bot == "studio"):
        raise Unclear
    return alike[0] if alike else None


def _listed_to_all_forms(delivery: MessageDelivery, *, since: datetime) -> list[client.TwilioMessage]:
    """Newest first. Twilio may write the number in its other national form, which a list for one does not show."""
    listed = {
        message.sid: message
        for form in national_forms(delivery.recipient)
        for message in client.list_messages(
            to=form,
            sender=delivery.conversation.sender,
            since=since,
            retry_pauses=client.QUICK_PAGE_RETRY_PAUSES_SECONDS,
        )
    }
    return sorted(listed.values(), key=lambda message: message.date_created or since, reverse=True)


def _since(delivery: MessageDelivery, at: datetime) -> datetime:
    """The first time it left may count, too. A claim yet to come was made by a clock that was then set back."""
    claimed = delivery.claimed_at or delivery.created_at
    if claimed > at:
        claimed = at - UNCERTAIN_HOLD
    return min(claimed, delivery.created_at if delivery.repeated else claimed) - BEFORE


def _unknown(messages: list[client.TwilioMessage]) -> list[client.TwilioMessage]:
    sids = [each.sid for each in messages]
    known = set(MessageDelivery.objects.filter(sid__in=sids).values_list("sid", flat=True))
    known |= set(ConversationEvent.objects.filter(message_sid__in=sids).values_list("message_sid", flat=True))
    return [each for each in messages if each.sid not in known]


def _is_plain(delivery: MessageDelivery) -> bool:
    return not ({"media_url", "content_sid"} & set(delivery.event.metadata))


def _words(text: str) -> str:
    return " ".join(text.split())


def _is_another_under_way(delivery: MessageDelivery) -> bool:
    """What the log has of it bears no name of ours yet. Asked after the log: what has left by then has its SID."""
    return _of_channel(delivery).filter(state="sending").exclude(pk=delivery.pk).exists()


def _of_channel(delivery: MessageDelivery) -> MessageDeliveryQuerySet:
    return MessageDelivery.objects.filter(
        conversation__client=delivery.conversation.client_id,
        conversation__sender=delivery.conversation.sender,
    )


def _older_twins(delivery: MessageDelivery, at: datetime) -> int:
    """Deliveries with the same words, uncertain like this one, to which an older message belongs."""
    return (
        _of_channel(delivery)
        .filter(
            state="uncertain",
            sid=None,
            event__body=delivery.event.body,
            claimed_at__gte=_since(delivery, at),
            pk__lt=delivery.pk,
        )
        .count()
    )


def _take_as_sent(delivery: MessageDelivery, found: client.TwilioMessage, at: datetime) -> None:
    said_at = found.date_sent or found.date_created or at
    try:
        delivery.advance("sent", at=said_at, sid=found.sid)
    except IntegrityError:
        _ask_later(delivery, at)  # Another delivery was faster to take it.
        return
    apply_status(delivery, found.status, sid=found.sid, code=found.error_code, at=at)
    log.info("a doubt was settled by the log", extra={"delivery": delivery.pk})


def _give_up(delivery: MessageDelivery, at: datetime) -> None:
    """Twilio does not have it. Once the next ones of its conversation may leave, it is too late to send it before."""
    in_time = delivery.uncertain_until is not None and at < delivery.uncertain_until
    by_person = delivery.event.author_kind == AuthorKind.AGENT
    if in_time and not by_person and delivery.requeue():
        log.warning("a message leaves again", extra={"delivery": delivery.pk})
    else:
        _still_uncertain(delivery).update(asked=F("asked") + 1, ask_after=None)


def _ask_later(delivery: MessageDelivery, at: datetime) -> None:
    over = at > (delivery.claimed_at or at) + ASKED_UNTIL
    others_wait = delivery.uncertain_until is not None and at < delivery.uncertain_until
    pause = TRIED_AGAIN_AFTER if others_wait else SELDOM
    _still_uncertain(delivery).update(ask_after=None if over else at + pause)


def _still_uncertain(delivery: MessageDelivery) -> Any:
    return MessageDelivery.objects.filter(pk=delivery.pk, state="uncertain", attempt=delivery.attempt)
