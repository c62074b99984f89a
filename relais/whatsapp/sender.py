"""Carries the outbox out: claim → commit → call Twilio → commit what became of it.

One thread looks for what is due; a pool makes the calls, so that a slow call holds only its own conversation up.
It decides nothing: which message may leave, and whether, is said under the conversation's lock in `Fate.claim`.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta

import psycopg
from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, connection
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from relais.conversations.models import MessageDelivery
from relais.live.pool import conninfo
from relais.whatsapp import client
from relais.whatsapp.delivery import fail

log = logging.getLogger(__name__)
THREADS = 32
LOOK_EVERY = 1.0
"""Seconds between looks at the outbox when nobody tells of anything."""
OUTCOME_TRIES = 20
BESIDE_TEXT = ("media_url", "content_sid", "content_variables")
NO_ANSWER = _("Twilio n'a pas dit si ce message est parti.")
AWAY = _("Twilio ne répond pas ; nouvel essai dans un instant.")


class Sender:
    def __init__(self, *, threads: int = THREADS) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sender")
        self._threads = threads
        self._at_work: set[int] = set()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.looked_at = 0.0
        """Monotonic time of the last good look at the outbox."""

    def run(self) -> None:
        """Until `stop`; the database may go and come back."""
        listener = threading.Thread(target=self._listen, name="outbox-listener", daemon=True)
        listener.start()
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._look()
                self.looked_at = time.monotonic()
            except (DatabaseError, InterfaceError) as error:
                log.warning("the outbox cannot be read: %s", type(error).__name__)
            finally:
                connection.close()
            self._wake.wait(LOOK_EVERY)
        self._pool.shutdown(wait=True)

    def stop(self) -> None:
        """No new claim from here on; calls under way are waited for by `run`."""
        self._stopping.set()
        self._wake.set()

    def _look(self) -> None:
        at = timezone.now()
        doubt_lapsed_claims(at)
        at_work = set(self._at_work)  # A copy: calls end, and leave it, while the query is built.
        free = self._threads - len(at_work)
        if free <= 0:
            return
        due = MessageDelivery.objects.due(at).exclude(pk__in=at_work)
        for delivery_id in due.values_list("pk", flat=True)[:free]:
            self._at_work.add(delivery_id)
            self._pool.submit(self._send, delivery_id)

    def _send(self, delivery_id: int) -> None:
        try:
            if not self._stopping.is_set():
                send(delivery_id, by=self.name)
        except Exception:
            log.exception("delivery %s was not carried out", delivery_id)
        finally:
            connection.close()
            self._at_work.discard(delivery_id)
            self._wake.set()

    def _hear(self) -> None:
        with psycopg.connect(conninfo(), autocommit=True) as listening:
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


def send(delivery_id: int, *, by: str) -> None:
    delivery = MessageDelivery.objects.select_related("event", "conversation__address").get(pk=delivery_id)
    if not delivery.claim(by=by, at=timezone.now()):
        return
    connection.close()
    outcome = _call(delivery)
    _write(outcome)


def _call(delivery: MessageDelivery) -> Callable[[], object]:
    """Call Twilio, outside any transaction; returns how to write down what became of it."""
    told = delivery.event.metadata
    try:
        sid = client.create(
            to=delivery.conversation.address.address,
            sender=delivery.conversation.sender,
            body=delivery.event.body,
            **{name: told[name] for name in BESIDE_TEXT if name in told},
            status_callback=f"{settings.PUBLIC_BASE_URL}/api/twilio/status?ref={delivery.pk}",
        )
    except client.TwilioRefused as refused:
        code, error = refused.code, refused.sentence
        return lambda: fail(delivery, code=code, error=error, at=timezone.now())
    except client.NotNow as refused:
        pause = client.back_off(delivery.attempt) if refused.seconds is None else refused.seconds
        log.info("delivery %s is tried again in %.1f s: %s", delivery.pk, pause, refused)
        return lambda: delivery.postpone(until=timezone.now() + timedelta(seconds=pause), error=AWAY)
    except client.Unanswered as unknown:
        log.warning("delivery %s is uncertain: %s", delivery.pk, unknown)
        return lambda: delivery.doubt(at=timezone.now(), error=NO_ANSWER)
    at = timezone.now()  # Not when it is written down: what the client writes from here on may be his answer.
    return lambda: delivery.accepted(sid, at=at)


def _write(outcome: Callable[[], object]) -> None:
    """The database may be away at just this moment: insist, for the lease's time, rather than leave it in doubt."""
    for attempt in range(OUTCOME_TRIES):
        try:
            outcome()
            return
        except IntegrityError:
            raise
        except (DatabaseError, InterfaceError) as error:
            log.warning("an outcome could not be written: %s", type(error).__name__)
            connection.close()
            if attempt == OUTCOME_TRIES - 1:
                raise
            time.sleep(min(2.0, 0.1 * 2**attempt))


def doubt_lapsed_claims(at: datetime) -> int:
    """Claims whose process gave no word within the lease: nobody knows whether they left."""
    lapsed = MessageDelivery.objects.filter(state="sending", lease_until__lt=at)
    return sum(delivery.doubt(at=at, error=NO_ANSWER) for delivery in lapsed)
