"""Carries the outbox out: claim → commit → call Twilio → commit what became of it.

One thread looks for what is due and claims it; a pool makes the calls, so that a slow call holds only its own
conversation up. It decides nothing: which message may leave, and whether, is said by the outbox under the
conversation's lock. What stays uncertain is cleared up elsewhere (`doubts.py`).
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import psycopg
from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from relais.company import company_settings
from relais.conversations import outbox
from relais.conversations.models import MessageDelivery
from relais.db_connection import release_connection
from relais.live.pool import conninfo
from relais.process_identity import process_identity
from relais.whatsapp import client, metrics
from relais.whatsapp.assumptions import STATUS_CALLBACKS_TAKE_OVERRIDES, WEBHOOK_RETRY_OVERRIDES
from relais.whatsapp.database_clock import SharedClock
from relais.whatsapp.inbound.status_callbacks import fail_delivery
from relais.whatsapp.outbound.uncertain_sends import NO_ANSWER, Doubts, show_life

log = logging.getLogger(__name__)
THREADS = 32
FOR_PERSONS = 8
"""One thread in so many is kept free of automatic messages: a slow Twilio never makes a person wait for them."""
LOOK_EVERY = 1.0
"""Seconds between looks at the outbox when nobody tells of anything."""
REST = 0.02
"""Seconds between looks at least: each claims what came meanwhile, all at once."""
TOKEN_WAIT_MARGIN_SECONDS = 0.003
"""Looks take unequally long to reach the database. One that comes a moment too early finds no token and has to rest."""
WIDE_EVERY = 0.25
OUTCOME_TRIES = 20
CALL_STUCK_SECONDS = 90.0
"""A call and the writing of its outcome take less, also while Twilio and the database are away."""
WITHHOLD_TRIES = 3
SLOWED_BY_SILENCE = 1.0
BESIDE_TEXT = ("media_url", "content_sid", "content_variables")
AWAY = _("Twilio ne répond pas ; nouvel essai dans un instant.")


class Sender:
    def __init__(self, *, threads: int = THREADS) -> None:
        self.name = f"{process_identity()}:{uuid.uuid4().hex[:8]}"
        self._clock = SharedClock()
        self._doubts = Doubts(self.name, self._clock)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sender")
        self._threads = threads
        self._at_work: set[int] = set()
        self._unlucky: Counter[int] = Counter()
        self._untold: set[int] = set()
        """Called, and what became of it could not be written down."""
        self._may_have_claimed = False
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._waits_for_tokens = False
        self._wide_after = 0.0
        self.looked_at = 0.0
        """Monotonic time of the last good look at the outbox."""
        self._ended_at = time.monotonic()
        """When a delivery last was done with."""

    def run(self) -> None:
        """Until `stop`; the database may go and come back."""
        threading.Thread(target=self._listen, name="outbox-listener", daemon=True).start()
        doubts = threading.Thread(target=self._doubts.run, name="doubts", daemon=True)
        doubts.start()
        while not self._stopping.is_set():
            begun = time.monotonic()
            self._wake.clear()
            pause = self._look()
            self._wake.wait(max(0.0, begun + pause - time.monotonic()))
            self._stopping.wait(max(0.0, begun + REST - time.monotonic()))
        self._pool.shutdown(wait=True)
        doubts.join()

    def stop(self) -> None:
        """No new claim from here on; calls under way are waited for by `run`."""
        self._stopping.set()
        self._doubts.stop()
        self._wake.set()

    def _look(self) -> float:
        """Claim what may leave and hand it on; returns the seconds until the next look."""
        free = self._threads - len(self._at_work)
        if free <= 0:
            # Nothing to claim for is no failure, as long as calls come to an end.
            if time.monotonic() - self._ended_at < CALL_STUCK_SECONDS:
                self.looked_at = time.monotonic()
            return LOOK_EVERY
        try:
            if self._may_have_claimed:
                self._give_back()
            self._may_have_claimed = True
            turn = self._next_turn(free)
            self._may_have_claimed = False
        except Exception as error:
            # Whatever it is: a thread that ends would stop every message, and so would one that asks without rest.
            away = isinstance(error, DatabaseError | InterfaceError)
            log.warning("the outbox cannot be read", extra={"error": type(error).__name__}, exc_info=not away)
            return LOOK_EVERY
        finally:
            release_connection()
        self.looked_at = time.monotonic()
        for delivery in turn.claimed:
            self._hand_on(self._carry, delivery)
        for delivery in turn.withheld:
            self._hand_on(self._withhold, delivery)
        self._waits_for_tokens = turn.wait_seconds is not None
        return LOOK_EVERY if turn.wait_seconds is None else turn.wait_seconds + TOKEN_WAIT_MARGIN_SECONDS

    def _give_back(self) -> None:
        """A connection that broke at the commit may have left claims that nobody here knows of: none was called."""
        # Looked at first: a call that ends meanwhile is no longer at work, and no longer claimed.
        known = self._at_work | self._untold
        mine = MessageDelivery.objects.filter(state="sending", claimed_by=self.name)
        for delivery in mine.exclude(pk__in=known):
            delivery.postpone(until=self._clock.now(), error="")

    def _next_turn(self, free: int) -> outbox.ClaimedBatch:
        turn = outbox.claim_batch(
            by=self.name,
            rate=_rate(),
            limit=free,
            automatic_limit=free - self._threads // FOR_PERSONS,
            skip_senders=time.monotonic() >= self._wide_after,
            exclude=set(self._at_work),
        )
        self._clock.set(turn.at)
        if turn.skipped_senders:
            self._wide_after = time.monotonic() + WIDE_EVERY
        return turn

    def _hand_on(self, work: Callable[[MessageDelivery], None], delivery: MessageDelivery) -> None:
        self._at_work.add(delivery.pk)
        self._pool.submit(self._do, work, delivery)

    def _do(self, work: Callable[[MessageDelivery], None], delivery: MessageDelivery) -> None:
        try:
            work(delivery)
        except Exception:
            log.exception("delivery not carried out", extra={"delivery": delivery.pk})
        finally:
            release_connection()
            self._at_work.discard(delivery.pk)
            self._ended_at = time.monotonic()
            if not self._waits_for_tokens:
                self._wake.set()

    def _carry(self, delivery: MessageDelivery) -> None:
        self._untold.add(delivery.pk)
        write(delivery, call(delivery), self._clock)
        self._untold.discard(delivery.pk)

    def _withhold(self, delivery: MessageDelivery) -> None:
        """A text that a take-over silenced. Where even that cannot be written down, it is not tried for ever."""
        try:
            delivery.claim(by=self.name, at=self._clock.now())
        except Exception:
            self._unlucky[delivery.pk] += 1
            if self._unlucky[delivery.pk] >= WITHHOLD_TRIES:
                delivery.mark_failed(at=self._clock.now(), code=None, error=client.UNSENDABLE)
            self._stopping.wait(LOOK_EVERY)
            raise

    def _hear(self) -> None:
        with psycopg.connect(conninfo(), autocommit=True) as listening:
            show_life(listening, self.name)
            listening.execute("listen outbox")
            while not self._stopping.is_set():
                for _notice in listening.notifies(timeout=1.0, stop_after=1):
                    self._wake.set()

    def _listen(self) -> None:
        """A notification is a hint: whatever happens to this connection, the look every second finds the same."""
        while not self._stopping.is_set():
            with suppress(psycopg.Error):
                self._hear()
            self._stopping.wait(1.0)


def _rate() -> float:
    """A word that is no number stops nobody."""
    with suppress(TypeError, ValueError):
        return max(1.0, float(company_settings.get_value(company_settings.SEND_RATE)))
    return float(company_settings.SEND_RATE.default())


@dataclass(frozen=True)
class Outcome:
    """What became of one call."""

    kind: str
    """`accepted`, `refused`, `later` (it did not leave) or `unknown`."""
    code: int | None = None
    """Twilio's, when it said no; 429 when it was too fast."""
    sid: str = ""
    error: str = ""
    pause: float = 0.0
    seconds: float = 0.0
    at: datetime = field(default_factory=lambda: timezone.now())
    """By this machine's clock, as all that clients write: whether they answered it is seen by the two."""


def call(delivery: MessageDelivery) -> Outcome:
    """Call Twilio, outside any transaction. Every call passes here, and so does what became of it."""
    begun = time.monotonic()
    outcome = replace(_called(delivery), seconds=time.monotonic() - begun)
    metrics.record_send(outcome.kind, outcome.code, outcome.seconds)
    log.log(
        logging.WARNING if outcome.kind == "unknown" else logging.INFO,
        "message handed to Twilio",
        extra={
            "conversation": delivery.conversation_id,
            "delivery": delivery.pk,
            "outcome": outcome.kind,
            "code": outcome.code,
            "seconds": round(outcome.seconds, 3),
        },
    )
    return outcome


def _called(delivery: MessageDelivery) -> Outcome:
    told = delivery.event.metadata
    try:
        sid = client.send_message(
            to=delivery.recipient,
            sender=delivery.conversation.sender,
            body=delivery.event.body,
            **{name: told[name] for name in BESIDE_TEXT if name in told},
            status_callback=status_callback(delivery.pk),
        )
    except client.TwilioRefused as refused:
        return Outcome("refused", code=refused.code, error=refused.sentence)
    except client.RetryLater as later:
        pause = (
            client.backoff_seconds(delivery.attempt)
            if later.retry_after_seconds is None
            else later.retry_after_seconds
        )
        return Outcome("later", code=429 if str(later) == "429" else None, error=AWAY, pause=pause)
    except client.OutcomeUnknown:
        return Outcome("unknown", error=NO_ANSWER)
    return Outcome("accepted", sid=sid)


def status_callback(ref: int) -> str:
    fragment = WEBHOOK_RETRY_OVERRIDES if STATUS_CALLBACKS_TAKE_OVERRIDES else ""
    return f"{settings.PUBLIC_BASE_URL}/api/twilio/status?ref={ref}{fragment}"


def write(delivery: MessageDelivery, outcome: Outcome, clock: SharedClock) -> None:
    """The database may be away at just this moment: insist, for the lease's time, rather than leave it in doubt."""
    for attempt in range(OUTCOME_TRIES):
        try:
            _write(delivery, outcome, clock)
            return
        except (IntegrityError, DataError):
            # Not a matter of time: above all a SID that another delivery has. That it left is known all the same.
            log.exception("an outcome was refused by the database", extra={"delivery": delivery.pk})
            _write(delivery, replace(outcome, sid="", error=""), clock)
            return
        except (DatabaseError, InterfaceError) as error:
            log.warning("an outcome could not be written", extra={"error": type(error).__name__})
            release_connection()
            if attempt == OUTCOME_TRIES - 1:
                raise
            time.sleep(min(2.0, 0.1 * 2**attempt))


def _write(delivery: MessageDelivery, outcome: Outcome, clock: SharedClock) -> None:
    match outcome.kind:
        case "accepted":
            # Not when it is written down: what the client writes from then on may be his answer.
            delivery.mark_sent(outcome.sid or None, at=outcome.at)
        case "refused":
            fail_delivery(delivery, code=outcome.code, error=outcome.error, at=outcome.at)
        case "later":
            until = clock.now() + timedelta(seconds=outcome.pause)
            if delivery.postpone(until=until, error=outcome.error):
                outbox.throttle(delivery.conversation.sender, seconds=outcome.pause)
        case _:
            delivery.mark_uncertain(at=clock.now(), error=outcome.error)
            # While Twilio is ill each message would be one more that nobody knows about.
            outbox.throttle(delivery.conversation.sender, seconds=SLOWED_BY_SILENCE)
