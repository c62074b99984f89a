"""The sender: polls the outbox, claims what is due, and sends it. Claim → commit → call Twilio → commit the outcome.

One thread polls and claims. A thread pool makes the calls, so that a slow call blocks only its own conversation. Which
message may be sent is decided by the outbox, under the conversation's lock.
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

import psycopg
from django.db import DatabaseError, InterfaceError

from relais.company import company_settings
from relais.conversations import outbox
from relais.conversations.models import MessageDelivery
from relais.db_connection import releasing_connection
from relais.live.pool import conninfo
from relais.process_identity import process_identity
from relais.whatsapp import client
from relais.whatsapp.database_clock import SharedClock
from relais.whatsapp.outbound.send_attempt import send_delivery, store_outcome
from relais.whatsapp.outbound.uncertain_sends import UncertainSendResolver, hold_liveness_lock

log = logging.getLogger(__name__)
SENDER_THREADS = 32
RESERVED_THREADS_DIVISOR = 8
"""One thread in so many sends no automatic messages: when Twilio is slow, agents do not wait for those."""
POLL_INTERVAL_SECONDS = 1.0
"""Without a notification."""
MIN_POLL_INTERVAL_SECONDS = 0.02
"""Each poll claims in one batch what came since the last."""
TOKEN_WAIT_MARGIN_SECONDS = 0.003
"""Polls take unequally long to reach the database. One that comes too early finds no token and must wait again."""
SKIP_SENDERS_INTERVAL_SECONDS = 0.25
CALL_STUCK_SECONDS = 90.0
"""A call and the storing of its outcome take less, even while Twilio and the database are away."""
MAX_WITHHOLD_ATTEMPTS = 3


class Sender:
    def __init__(self, *, threads: int = SENDER_THREADS) -> None:
        self.name = f"{process_identity()}:{uuid.uuid4().hex[:8]}"
        """Unique for each sender: it marks its claims."""
        self._clock = SharedClock()
        self._resolver = UncertainSendResolver(self.name, self._clock)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sender")
        self._threads = threads
        self._in_progress: set[int] = set()
        self._failed_withholds: Counter[int] = Counter()
        self._unstored: set[int] = set()
        """Deliveries that were sent and whose outcome could not be stored."""
        self._may_have_claimed = False
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._waits_for_tokens = False
        self._skip_senders_after = 0.0
        self.last_poll_at = 0.0
        """Monotonic time of the last successful poll of the outbox."""
        self._last_finished_at = time.monotonic()
        """When a thread last finished a delivery."""

    def run(self) -> None:
        """Until `stop`. Survives a database that goes away and comes back."""
        threading.Thread(target=self._listen, name="outbox-listener", daemon=True).start()
        resolver = threading.Thread(target=self._resolver.run, name="uncertain-sends", daemon=True)
        resolver.start()
        while not self._stopping.is_set():
            started_at = time.monotonic()
            self._wake.clear()
            pause = self._poll()
            self._wake.wait(max(0.0, started_at + pause - time.monotonic()))
            self._stopping.wait(max(0.0, started_at + MIN_POLL_INTERVAL_SECONDS - time.monotonic()))
        self._pool.shutdown(wait=True)
        resolver.join()

    def stop(self) -> None:
        """Claim nothing more. `run` still waits for the calls in progress."""
        self._stopping.set()
        self._resolver.stop()
        self._wake.set()

    def _poll(self) -> float:
        """Claim a batch and submit it to the pool. Return the seconds until the next poll."""
        free_threads = self._threads - len(self._in_progress)
        if free_threads <= 0:
            # Having no free thread is not a failure as long as calls end.
            if time.monotonic() - self._last_finished_at < CALL_STUCK_SECONDS:
                self.last_poll_at = time.monotonic()
            return POLL_INTERVAL_SECONDS
        try:
            with releasing_connection():
                if self._may_have_claimed:
                    self._requeue_unknown_claims()
                self._may_have_claimed = True
                batch = self._claim_batch(free_threads)
                self._may_have_claimed = False
        except Exception as error:
            # Catch everything: if this thread ended, nothing would be sent any more. The pause avoids a busy loop.
            is_database_down = isinstance(error, DatabaseError | InterfaceError)
            fields = {"error": type(error).__name__}
            log.warning("outbox poll failed", extra=fields, exc_info=not is_database_down)
            return POLL_INTERVAL_SECONDS
        self.last_poll_at = time.monotonic()
        for delivery in batch.claimed:
            self._submit(self._send, delivery)
        for delivery in batch.withheld:
            self._submit(self._withhold, delivery)
        self._waits_for_tokens = batch.wait_seconds is not None
        if batch.wait_seconds is None:
            return POLL_INTERVAL_SECONDS
        return batch.wait_seconds + TOKEN_WAIT_MARGIN_SECONDS

    def _requeue_unknown_claims(self) -> None:
        """A connection that broke at the commit may have left claims this process does not know: none was called."""
        # Copied before the query: a call that ends meanwhile is no longer in progress, and no longer claimed.
        known = self._in_progress | self._unstored
        claims = MessageDelivery.objects.filter(state="sending", claimed_by=self.name)
        for delivery in claims.exclude(pk__in=known):
            delivery.postpone(until=self._clock.now(), error="")

    def _claim_batch(self, free_threads: int) -> outbox.ClaimedBatch:
        batch = outbox.claim_batch(
            by=self.name,
            rate=_send_rate(),
            limit=free_threads,
            automatic_limit=free_threads - self._threads // RESERVED_THREADS_DIVISOR,
            skip_senders=time.monotonic() >= self._skip_senders_after,
            exclude=set(self._in_progress),
        )
        self._clock.set(batch.at)
        if batch.skipped_senders:
            self._skip_senders_after = time.monotonic() + SKIP_SENDERS_INTERVAL_SECONDS
        return batch

    def _submit(self, action: Callable[[MessageDelivery], None], delivery: MessageDelivery) -> None:
        self._in_progress.add(delivery.pk)
        self._pool.submit(self._run_action, action, delivery)

    def _run_action(self, action: Callable[[MessageDelivery], None], delivery: MessageDelivery) -> None:
        try:
            with releasing_connection():
                action(delivery)
        except Exception:
            log.exception("delivery failed unexpectedly", extra={"delivery": delivery.pk})
        finally:
            self._in_progress.discard(delivery.pk)
            self._last_finished_at = time.monotonic()
            if not self._waits_for_tokens:
                self._wake.set()

    def _send(self, delivery: MessageDelivery) -> None:
        self._unstored.add(delivery.pk)
        store_outcome(delivery, send_delivery(delivery), self._clock)
        self._unstored.discard(delivery.pk)

    def _withhold(self, delivery: MessageDelivery) -> None:
        """A text written before a take-over: `claim` refuses it. If that cannot be stored, retry only a few times."""
        try:
            delivery.claim(by=self.name, at=self._clock.now())
        except Exception:
            self._failed_withholds[delivery.pk] += 1
            if self._failed_withholds[delivery.pk] >= MAX_WITHHOLD_ATTEMPTS:
                delivery.mark_failed(at=self._clock.now(), code=None, error=client.UNSENDABLE)
            self._stopping.wait(POLL_INTERVAL_SECONDS)
            raise

    def _listen(self) -> None:
        """LISTEN on the channel `outbox`. A notification only shortens the wait: without it the next poll finds the
        same.
        """
        while not self._stopping.is_set():
            with suppress(psycopg.Error):
                self._listen_once()
            self._stopping.wait(1.0)

    def _listen_once(self) -> None:
        with psycopg.connect(conninfo(), autocommit=True) as listener:
            hold_liveness_lock(listener, self.name)
            listener.execute("listen outbox")
            while not self._stopping.is_set():
                for _notification in listener.notifies(timeout=1.0, stop_after=1):
                    self._wake.set()


def _send_rate() -> float:
    """Messages a second of each number. Fall back to the default if the setting is not numeric."""
    with suppress(TypeError, ValueError):
        return max(1.0, float(company_settings.get_value(company_settings.SEND_RATE)))
    return float(company_settings.SEND_RATE.default())
