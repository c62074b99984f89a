"""Resolves uncertain sends: claims of dead processes, and messages whose call to Twilio got no response.

A status callback with our `ref` resolves most of them at once. For the rest, Twilio's message log is looked up, twice.
A message that is in it counts as sent; one that is not is resent automatically, once, unless an agent wrote it.
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
from relais.conversations.event_types import AuthorKind
from relais.conversations.models import ConversationEvent, MessageDelivery
from relais.conversations.querysets import MessageDeliveryQuerySet
from relais.conversations.time_limits import CLAIM_LEASE, UNCERTAIN_HOLD
from relais.db_connection import release_connection_unless_in_transaction, releasing_connection
from relais.whatsapp import client
from relais.whatsapp.database_clock import SharedClock
from relais.whatsapp.inbound.status_callbacks import apply_status

log = logging.getLogger(__name__)
POLL_INTERVAL_SECONDS = 1.0
MAX_CONCURRENT_LOOKUPS = 16
LOOKUPS_BEFORE_RESEND = 2
MAX_CLOCK_SKEW = timedelta(seconds=60)
"""Between Twilio's clock and ours, about when a message was created."""
SECOND_LOOKUP_DELAY = timedelta(seconds=45)
"""By then a message that Twilio accepted is in its log (`assumptions.py`). The first lookup: `FIRST_LOOKUP_DELAY` in
`conversations/time_limits.py`."""
LOOKUP_RETRY_DELAY = timedelta(seconds=5)
"""After a lookup that failed, while the next messages of the conversation wait for the result."""
SLOW_LOOKUP_RETRY_DELAY = timedelta(minutes=1)
"""After a lookup that failed, when no message waits for it any more."""
LOOKUP_LEASE = timedelta(seconds=30)
"""A lookup that takes longer belongs to a dead process: another one repeats it."""
LOOKUP_DEADLINE = timedelta(minutes=30)
DEAD_AFTER_SECONDS = 3.0
"""How long a process may be without its liveness lock before its claims become uncertain. A living process that hangs
keeps them for `CLAIM_LEASE` (`conversations/time_limits.py`)."""
NO_RESPONSE = _("Twilio n'a pas dit si ce message est parti.")

# Shared, so that a process that reconnects does not wait until its own broken connection is detected.
HOLD_LIVENESS_LOCK = "select pg_advisory_lock_shared(hashtextextended(%s, 0))"
SELECT_DEAD_CLAIMANTS = """
select distinct d.claimed_by from message_deliveries d where d.state = 'sending' and d.claimed_by <> %s
   and not exists (
     select 1 from pg_locks l where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
        and l.database = (select oid from pg_database where datname = current_database())
        and (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(d.claimed_by, 0))
"""


class AmbiguousLookup(Exception):
    """Several messages in the log may be this one, and nothing distinguishes them."""


def hold_liveness_lock(connection: psycopg.Connection[Any], name: str) -> None:
    """An advisory lock: as long as this connection lives, the process `name` counts as alive."""
    connection.execute(HOLD_LIVENESS_LOCK, [name])


class UncertainSendResolver:
    """Runs beside the sender in a thread of its own, so that lookups never delay a send."""

    def __init__(self, name: str, clock: SharedClock) -> None:
        self._name = name
        self._clock = clock
        self._dead_since: dict[str, float] = {}
        self._in_progress: set[int] = set()
        self._stopping = threading.Event()

    def run(self) -> None:
        with ThreadPoolExecutor(MAX_CONCURRENT_LOOKUPS, thread_name_prefix="uncertain-sends") as pool:
            while not self._stopping.wait(0.1 if self._in_progress else POLL_INTERVAL_SECONDS):
                self._poll(pool)

    @releasing_connection()
    def _poll(self, pool: ThreadPoolExecutor) -> None:
        try:
            mark_expired_claims_uncertain(self._clock.now())
            mark_claims_uncertain(self._dead_processes(), self._clock.now())
            for delivery in self._claim_lookups():
                self._in_progress.add(delivery.pk)
                pool.submit(self._resolve, delivery)
        except (DatabaseError, InterfaceError) as error:
            log.warning("uncertain sends could not be read", extra={"error": type(error).__name__})
        except Exception:
            log.exception("poll of uncertain sends failed")

    def stop(self) -> None:
        self._stopping.set()

    def _dead_processes(self) -> list[str]:
        """Processes that have claims and held no liveness lock, now and some seconds ago."""
        with connection.cursor() as cursor:
            cursor.execute(SELECT_DEAD_CLAIMANTS, [self._name])
            dead = {name for (name,) in cursor.fetchall()}
        now = time.monotonic()
        self._dead_since = {name: self._dead_since.get(name, now) for name in dead}
        return [name for name, since in self._dead_since.items() if now - since >= DEAD_AFTER_SECONDS]

    def _claim_lookups(self) -> list[MessageDelivery]:
        """Only as many as threads are free: a queued lookup would outlive its lease."""
        free_threads = MAX_CONCURRENT_LOOKUPS - len(self._in_progress)
        return claim_due_lookups(self._clock.now(), limit=free_threads) if free_threads else []

    def _resolve(self, delivery: MessageDelivery) -> None:
        try:
            with releasing_connection():
                resolve_uncertain_send(delivery, self._clock)
        except Exception:
            log.exception("resolution of an uncertain send failed", extra={"delivery": delivery.pk})
        finally:
            self._in_progress.discard(delivery.pk)


def mark_expired_claims_uncertain(at: datetime) -> int:
    """Claims whose lease expired. A lease that ends later than any can was written before the clock was set back."""
    expired = Q(lease_until__lt=at) | Q(lease_until__gt=at + 2 * CLAIM_LEASE)
    return _mark_uncertain(MessageDelivery.objects.filter(expired, state="sending"), at)


def mark_claims_uncertain(processes: Sequence[str], at: datetime) -> int:
    """The claims of these processes, which are dead."""
    if not processes:
        return 0
    return _mark_uncertain(MessageDelivery.objects.filter(state="sending", claimed_by__in=processes), at)


def _mark_uncertain(claims: Any, at: datetime) -> int:
    return sum(claim.mark_uncertain(at=at, error=NO_RESPONSE) for claim in claims.order_by("id"))


@transaction.atomic
def claim_due_lookups(at: datetime, *, limit: int) -> list[MessageDelivery]:
    """Uncertain sends to look up now, by this process and no other (SKIP LOCKED, then a lease)."""
    due = Q(ask_after__lte=at) | Q(ask_after__gt=at + 2 * SECOND_LOOKUP_DELAY)
    rows = MessageDelivery.objects.filter(due, state="uncertain", sid=None)
    rows = rows.select_related("event", "conversation__address").order_by("ask_after")
    claimed = list(rows.select_for_update(skip_locked=True, of=("self",))[:limit])
    leased = MessageDelivery.objects.filter(pk__in=[delivery.pk for delivery in claimed])
    leased.update(ask_after=at + LOOKUP_LEASE)
    return claimed


def resolve_uncertain_send(delivery: MessageDelivery, clock: SharedClock) -> None:
    """Look it up in Twilio's log, outside any transaction, and store what that means."""
    try:
        message = find_in_log(delivery, at=clock.now())
    except (client.RetryLater, client.OutcomeUnknown, client.TwilioRefused, AmbiguousLookup) as error:
        log.info("uncertain send unresolved", extra={"delivery": delivery.pk, "why": type(error).__name__})
        _retry_lookup(delivery, clock.now())
        return
    if message is not None:
        _mark_as_sent(delivery, message, clock.now())
    elif delivery.asked + 1 < LOOKUPS_BEFORE_RESEND:
        after = clock.now() + SECOND_LOOKUP_DELAY
        _still_uncertain(delivery).update(asked=F("asked") + 1, ask_after=after)
    else:
        _resend_or_give_up(delivery, clock.now())


def find_in_log(delivery: MessageDelivery, *, at: datetime) -> client.TwilioMessage | None:
    """The message of Twilio's log that this delivery became. Raises AmbiguousLookup, and like `client.list_messages`.

    A text is matched by its body. Templates and media cannot be matched by what the log shows: one counts only if it is
    the only candidate. Each message matches one delivery, in order of age.
    """
    release_connection_unless_in_transaction()
    messages = _list_messages(delivery, since=_search_start(delivery, at))
    if _is_another_in_progress(delivery):
        raise AmbiguousLookup
    candidates = _without_known_sids(
        [message for message in reversed(messages) if message.direction.startswith("outbound")]
    )
    if _is_plain_text(delivery):
        body = _normalized(delivery.event.body)
        same = [message for message in candidates if _normalized(message.body) == body]
        position = _count_older_twins(delivery, at)
        return same[position] if len(same) > position else None
    has_media = bool({"media", "media_url"} & set(delivery.event.metadata))
    alike = [message for message in candidates if bool(message.num_media) == has_media]
    if len(alike) > 1 or (alike and not alike[0].num_media and settings.ENVIRONMENT.bot == "studio"):
        raise AmbiguousLookup
    return alike[0] if alike else None


def _list_messages(delivery: MessageDelivery, *, since: datetime) -> list[client.TwilioMessage]:
    """Newest first. Twilio may write the number in another national form, which a list of one form does not include."""
    messages = {
        message.sid: message
        for form in national_forms(delivery.recipient)
        for message in client.list_messages(
            to=form,
            sender=delivery.conversation.sender,
            since=since,
            retry_pauses=client.QUICK_PAGE_RETRY_PAUSES_SECONDS,
        )
    }
    return sorted(messages.values(), key=lambda message: message.date_created or since, reverse=True)


def _search_start(delivery: MessageDelivery, at: datetime) -> datetime:
    """A resent delivery may match its first send, too. A claim in the future was made before the clock was set back."""
    claimed = delivery.claimed_at or delivery.created_at
    if claimed > at:
        claimed = at - UNCERTAIN_HOLD
    return min(claimed, delivery.created_at if delivery.repeated else claimed) - MAX_CLOCK_SKEW


def _without_known_sids(messages: list[client.TwilioMessage]) -> list[client.TwilioMessage]:
    sids = [message.sid for message in messages]
    known = set(MessageDelivery.objects.filter(sid__in=sids).values_list("sid", flat=True))
    known |= set(ConversationEvent.objects.filter(message_sid__in=sids).values_list("message_sid", flat=True))
    return [message for message in messages if message.sid not in known]


def _is_plain_text(delivery: MessageDelivery) -> bool:
    return not ({"media", "media_url", "content_sid", "choices"} & set(delivery.event.metadata))


def _normalized(text: str) -> str:
    return " ".join(text.split())


def _is_another_in_progress(delivery: MessageDelivery) -> bool:
    """Whether another send to this client has no SID yet. Check after reading the log: by then earlier ones have it."""
    return _of_channel(delivery).filter(state="sending").exclude(pk=delivery.pk).exists()


def _of_channel(delivery: MessageDelivery) -> MessageDeliveryQuerySet:
    return MessageDelivery.objects.filter(
        conversation__client=delivery.conversation.client_id,
        conversation__sender=delivery.conversation.sender,
    )


def _count_older_twins(delivery: MessageDelivery, at: datetime) -> int:
    """Older uncertain deliveries with the same text: the older messages of the log belong to them."""
    return (
        _of_channel(delivery)
        .filter(
            state="uncertain",
            sid=None,
            event__body=delivery.event.body,
            claimed_at__gte=_search_start(delivery, at),
            pk__lt=delivery.pk,
        )
        .count()
    )


def _mark_as_sent(delivery: MessageDelivery, message: client.TwilioMessage, at: datetime) -> None:
    sent_at = message.date_sent or message.date_created or at
    try:
        delivery.advance("sent", at=sent_at, sid=message.sid)
    except IntegrityError:
        _retry_lookup(delivery, at)  # Another delivery took this SID first.
        return
    apply_status(delivery, message.status, sid=message.sid, code=message.error_code, at=at)
    log.info("uncertain send resolved", extra={"delivery": delivery.pk})


def _resend_or_give_up(delivery: MessageDelivery, at: datetime) -> None:
    """Twilio does not have it. Resend it only while it still holds back the next ones, so that the order is kept."""
    in_time = delivery.uncertain_until is not None and at < delivery.uncertain_until
    by_person = delivery.event.author_kind == AuthorKind.AGENT
    if in_time and not by_person and delivery.requeue():
        log.warning("message resent automatically", extra={"delivery": delivery.pk})
    else:
        _still_uncertain(delivery).update(asked=F("asked") + 1, ask_after=None)


def _retry_lookup(delivery: MessageDelivery, at: datetime) -> None:
    is_over = at > (delivery.claimed_at or at) + LOOKUP_DEADLINE
    others_wait = delivery.uncertain_until is not None and at < delivery.uncertain_until
    delay = LOOKUP_RETRY_DELAY if others_wait else SLOW_LOOKUP_RETRY_DELAY
    _still_uncertain(delivery).update(ask_after=None if is_over else at + delay)


def _still_uncertain(delivery: MessageDelivery) -> Any:
    return MessageDelivery.objects.filter(pk=delivery.pk, state="uncertain", attempt=delivery.attempt)
