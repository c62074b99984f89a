"""When Twilio's message log is polled, how far back, and by which process (lease).

Hooks are the normal way in; the polls find what hooks lost. The comparison itself is in `diff.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from django.utils.translation import gettext_noop

from relais.conversations.models import Conversation
from relais.whatsapp import client
from relais.whatsapp.models import ERROR_FIELDS, RECONCILE_LEASE, TOTAL_FIELDS, LogReconciliation, Poll
from relais.whatsapp.reconcile.diff import LogComparison
from relais.whatsapp.reconcile.status import is_connected

log = logging.getLogger(__name__)
OVERLAP = timedelta(minutes=10)
"""How far a poll reaches back behind the last one: Twilio does not promise that its log is complete at once."""
BACKLOG_INTERVAL = timedelta(hours=1)
BACKLOG = timedelta(hours=24)
LONG_BACKLOG = timedelta(days=7)
"""Polled once a day. Older messages are not searched: they would look new without being so."""
MIN_PAGE_SIZES = {Poll.RECENT: 100, Poll.BACKLOG: 1000}
MAX_PAGE_SIZE = 1000
"""Twilio's maximum. The minute's poll asks for few messages on a quiet desk, and for more on a busy one."""
LEASE_RENEWAL_INTERVAL = timedelta(seconds=20)
TWILIO_NOT_RESPONDING = gettext_noop("Twilio ne répond pas.")
UNEXPECTED_ERROR = gettext_noop("Une erreur est survenue. Elle est notée dans le journal.")
Clock = Callable[[], datetime]
Sleep = Callable[[float], None]


def poll_recent(*, started_at: datetime, clock: Clock = timezone.now, sleep: Sleep = time.sleep) -> None:
    """Reconcile what was written since the last complete poll; on the first one, since the process started."""
    at = clock()
    for reconciliation in _reconciliations(min(started_at, at)):
        since = min(reconciliation.completed_until or reconciliation.connected_at, at) - OVERLAP
        _LogPoll(reconciliation, Poll.RECENT, since=since, clock=clock, sleep=sleep).run()


def poll_backlog(*, started_at: datetime, clock: Clock = timezone.now, sleep: Sleep = time.sleep) -> None:
    """Reconcile the last day, and once a day the last week: messages that appeared late in the log, and late statuses
    of older ones.
    """
    at = clock()
    _find_senders(at)
    for reconciliation in _reconciliations(min(started_at, at)):
        last = reconciliation.looked_far_back_at
        is_long = last is None or not timedelta() <= at - last < BACKLOG
        since = at - (LONG_BACKLOG if is_long else BACKLOG)
        _LogPoll(reconciliation, Poll.BACKLOG, since=since, clock=clock, sleep=sleep, is_long=is_long).run()


def _reconciliations(started_at: datetime) -> list[LogReconciliation]:
    environment = settings.ENVIRONMENT
    if not is_connected():
        return []
    account = environment.twilio_account_sid
    own = LogReconciliation.get_or_create_for(environment.whatsapp_number, account=account, since=started_at)
    return [own, *LogReconciliation.objects.filter(account=account).exclude(pk=own.pk).order_by("pk")]


def _find_senders(at: datetime) -> None:
    """Our other numbers are those that clients wrote to lately. One that nobody writes to any more is not polled."""
    if not is_connected():
        return
    environment = settings.ENVIRONMENT
    recent = Conversation.objects.filter(last_activity_at__gte=at - LONG_BACKLOG)
    senders = set(recent.order_by().values_list("sender", flat=True).distinct()) - {
        environment.whatsapp_number
    }
    for sender in senders:
        LogReconciliation.get_or_create_for(sender, account=environment.twilio_account_sid, since=at)
    LogReconciliation.objects.exclude(pk__in=[*senders, environment.whatsapp_number]).delete()


class _LeaseLost(Exception):
    """Another process polls by now."""


class _LogPoll:
    """One poll of the log of one number, under a lease."""

    def __init__(
        self,
        reconciliation: LogReconciliation,
        poll: Poll,
        *,
        since: datetime,
        clock: Clock,
        sleep: Sleep,
        is_long: bool = False,
    ) -> None:
        self.reconciliation, self.poll, self.clock, self.is_long = reconciliation, poll, clock, is_long
        self.at = clock()
        self.comparison = LogComparison(
            reconciliation,
            since=max(since, reconciliation.connected_at, self.at - LONG_BACKLOG),
            clock=clock,
            page_size=min(MAX_PAGE_SIZE, max(MIN_PAGE_SIZES[poll], reconciliation.compared)),
            renew_lease=self._renew_lease,
            sleep=sleep,
        )

    def run(self) -> None:
        """Compare, unless another process holds the lease. Errors are stored and the next poll retries: the cursor
        `completed_until` moves only after a poll that read to the end.
        """
        lease_until = self.reconciliation.acquire_lease(self.poll, at=self.at)
        if lease_until is None:
            return
        self.lease_until = lease_until
        try:
            self.comparison.run()
        except _LeaseLost:
            log.warning("reconciliation lease lost to another process")
        except client.TwilioRefused as refused:
            self._store_failure(refused.sentence, refused)
        except (client.RetryLater, client.OutcomeUnknown) as error:
            self._store_failure(TWILIO_NOT_RESPONDING, error)
        except DatabaseError:
            raise
        except Exception as error:
            self._store_failure(UNEXPECTED_ERROR, error)
        else:
            self._store_success()

    def _renew_lease(self) -> None:
        now = self.clock()
        if self.lease_until - now > RECONCILE_LEASE - LEASE_RENEWAL_INTERVAL:
            return
        renewed_until = self.reconciliation.renew_lease(self.poll, self.lease_until, at=now)
        if renewed_until is None:
            raise _LeaseLost
        self.lease_until = renewed_until

    def _store_success(self) -> None:
        left = self.comparison.left
        results = self._totals() | {"left": len(left)}
        if self.poll is Poll.RECENT:
            results |= {
                "missing": self.comparison.recovered + len(left),
                "foreign": self.comparison.foreign,
                "compared": self.comparison.compared,
                "completed_until": self._completed_until(),
                "last_ok_at": self.clock(),
            }
        else:
            results |= {"looked_back_at": self.at} | ({"looked_far_back_at": self.at} if self.is_long else {})
        self.reconciliation.release_lease(
            self.poll, self.lease_until, **results, **{ERROR_FIELDS[self.poll]: ""}
        )
        if self.reconciliation.last_error and self.poll is Poll.RECENT:
            log.info("reconciliation succeeds again")

    def _completed_until(self) -> datetime:
        """Leave what cannot be stored for a long time to the backlog polls, so that the recent ones stay short."""
        unfinished = [*self.comparison.left, *self.comparison.undecided]
        recent = (written_at for written_at in unfinished if self.at - written_at < BACKLOG_INTERVAL)
        return min([self.at, *recent])

    def _store_failure(self, sentence: str, error: Exception) -> None:
        """Log each failure once, not at each poll."""
        if getattr(self.reconciliation, ERROR_FIELDS[self.poll]) != sentence:
            write_log = log.exception if sentence == UNEXPECTED_ERROR else log.warning
            write_log("reconciliation failed", extra={"why": type(error).__name__})
        results = self._totals() | {ERROR_FIELDS[self.poll]: sentence}
        if self.poll is Poll.RECENT:
            left = len(self.comparison.left)
            results |= {"missing": self.comparison.recovered + left, "left": left}
        self.reconciliation.release_lease(self.poll, self.lease_until, **results)

    def _totals(self) -> dict[str, Any]:
        totals: dict[str, Any] = {name: getattr(self.comparison, name) for name in TOTAL_FIELDS}
        return totals | ({"missing": totals["recovered"]} if totals["recovered"] else {})
