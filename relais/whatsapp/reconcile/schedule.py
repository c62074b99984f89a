"""Reads Twilio's log of messages, both ways, and makes good what never reached us.

The hooks are how things come; this finds what they lost. Here stands when, how far back, and how it is doing; what is
compared, and how it is healed, in `comparison.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from django.utils.translation import gettext_noop

from relais.conversations.models import Conversation
from relais.whatsapp import client
from relais.whatsapp.models import COUNTS, ERRORS, LEASE, TOTALS, LogReading
from relais.whatsapp.reconcile.diff import Comparison

log = logging.getLogger(__name__)
OVERLAP = timedelta(minutes=10)
"""How far a look goes back behind the last one: Twilio does not promise that its log is complete at once."""
BACK_EVERY = timedelta(hours=1)
BACK = timedelta(hours=24)
FAR_BACK = timedelta(days=7)
"""What is older is not looked for: it would come as news that is none."""
PAGES = {"near": 100, "back": 1000}
LARGEST_PAGE = 1000
"""Messages asked for at once: few on a quiet desk, each minute; on a busy one as many as Twilio gives."""
RENEWED_EVERY = timedelta(seconds=20)
LATE, SILENT = timedelta(minutes=5), timedelta(minutes=15)
"""Without a look that went well."""
AT_SEA = gettext_noop("Twilio ne répond pas.")
BROKEN = gettext_noop("Une erreur est survenue. Elle est notée dans le journal.")
Clock = Callable[[], datetime]
Sleep = Callable[[float], None]


def look(*, began: datetime, clock: Clock = timezone.now, sleep: Sleep = time.sleep) -> None:
    """At what was written since the last look; if there was none, since the desk `began`."""
    at = clock()
    for reading in _readings(min(began, at)):
        since = min(reading.completed_until or reading.connected_at, at) - OVERLAP
        _Look(reading, "near", since=since, clock=clock, sleep=sleep).run()


def look_back(*, began: datetime, clock: Clock = timezone.now, sleep: Sleep = time.sleep) -> None:
    """At the last day, and once a day at the last week: for what the log told late, and what became of older ones."""
    at = clock()
    _find_senders(at)
    for reading in _readings(min(began, at)):
        last = reading.looked_far_back_at
        is_far = last is None or not timedelta() <= at - last < BACK
        since = at - (FAR_BACK if is_far else BACK)
        _Look(reading, "back", since=since, clock=clock, sleep=sleep, is_far=is_far).run()


def _readings(began: datetime) -> list[LogReading]:
    environment = settings.ENVIRONMENT
    if not _is_connected():
        return []
    account = environment.twilio_account_sid
    own = LogReading.of(environment.whatsapp_number, account=account, since=began)
    return [own, *LogReading.objects.filter(account=account).exclude(pk=own.pk).order_by("pk")]


def _is_connected() -> bool:
    environment = settings.ENVIRONMENT
    return bool(environment.whatsapp_number and environment.twilio_account_sid)


def _find_senders(at: datetime) -> None:
    """Our other numbers are those that clients wrote to; one that nobody writes to any more is left alone."""
    if not _is_connected():
        return
    environment = settings.ENVIRONMENT
    recent = Conversation.objects.filter(last_activity_at__gte=at - FAR_BACK)
    used = set(recent.order_by().values_list("sender", flat=True).distinct()) - {environment.whatsapp_number}
    for sender in used:
        LogReading.of(sender, account=environment.twilio_account_sid, since=at)
    LogReading.objects.exclude(pk__in=[*used, environment.whatsapp_number]).delete()


class _LostLease(Exception):
    """Another process reads by now."""


class _Look:
    """One reading of the log of one number, by one process."""

    def __init__(
        self,
        reading: LogReading,
        name: str,
        *,
        since: datetime,
        clock: Clock,
        sleep: Sleep,
        is_far: bool = False,
    ) -> None:
        self.reading, self.name, self.clock, self.is_far = reading, name, clock, is_far
        self.at = clock()
        self.comparison = Comparison(
            reading,
            since=max(since, reading.connected_at, self.at - FAR_BACK),
            clock=clock,
            page_size=min(LARGEST_PAGE, max(PAGES[name], reading.compared)),
            still_here=self._keep_lease,
            sleep=sleep,
        )

    def run(self) -> None:
        """Do it, unless another process does. Whatever goes wrong is noted, and tried again by the next look: until one
        has read to the end, `completed_until` stays where it is.
        """
        lease = self.reading.begin(self.name, at=self.at)
        if lease is None:
            return
        self.lease = lease
        try:
            self.comparison.run()
        except _LostLease:
            log.warning("reading Twilio's log was taken over by another process")
        except client.TwilioRefused as refused:
            self._failed(refused.sentence, refused)
        except (client.NotNow, client.Unanswered) as away:
            self._failed(AT_SEA, away)
        except DatabaseError:
            raise
        except Exception as error:
            self._failed(BROKEN, error)
        else:
            self._ended_well()

    def _keep_lease(self) -> None:
        now = self.clock()
        if self.lease - now > LEASE - RENEWED_EVERY:
            return
        longer = self.reading.go_on(self.name, self.lease, at=now)
        if longer is None:
            raise _LostLease
        self.lease = longer

    def _ended_well(self) -> None:
        left = self.comparison.left
        seen = self._found() | {"left": len(left)}
        if self.name == "near":
            missing = self.comparison.recovered + len(left)
            seen |= {"missing": missing, "foreign": self.comparison.foreign}
            seen |= {"compared": self.comparison.compared}
            seen |= {"completed_until": self._completed_until(), "last_ok_at": self.clock()}
        else:
            seen |= {"looked_back_at": self.at} | ({"looked_far_back_at": self.at} if self.is_far else {})
        self.reading.end(self.name, self.lease, **seen, **{ERRORS[self.name]: ""})
        if self.reading.last_error and self.name == "near":
            log.info("Twilio's log can be read again")

    def _completed_until(self) -> datetime:
        """What cannot be had for long is left to the looks back: the near ones must stay short."""
        undone = [*self.comparison.left, *self.comparison.waiting]
        return min([self.at, *(written for written in undone if self.at - written < BACK_EVERY)])

    def _failed(self, sentence: str, error: Exception) -> None:
        """Said once in the log, not at each look."""
        if getattr(self.reading, ERRORS[self.name]) != sentence:
            told = log.exception if sentence == BROKEN else log.warning
            told("Twilio's log cannot be read", extra={"why": type(error).__name__})
        seen = self._found() | {ERRORS[self.name]: sentence}
        if self.name == "near":
            left = len(self.comparison.left)
            seen |= {"missing": self.comparison.recovered + left, "left": left}
        self.reading.end(self.name, self.lease, **seen)

    def _found(self) -> dict[str, Any]:
        found: dict[str, Any] = {name: getattr(self.comparison, name) for name in TOTALS}
        return found | ({"missing": found["recovered"]} if found["recovered"] else {})


# -- how it is doing -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class LogState:
    """For the dashboard, « État » and the metrics; of several numbers, the worst and the sums."""

    last_ok_at: datetime | None
    """When the log was last compared to the end; None when it never was."""
    completed_until: datetime | None
    missing: int
    left: int
    foreign: int
    recovered: int
    statuses: int
    overheard: int
    error: str
    """The French sentence of the last look that did not read to the end; empty when each did."""
    is_called: bool
    """Whether Twilio is known to bring messages by itself."""
    level: str
    """`good`, `attention` when late, `danger` when silent for long."""
    compared: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether the last looks read to the end. Else `missing` is of a part only, and its zero says nothing."""
        return self.last_ok_at is not None and not self.error


def state(*, at: datetime) -> LogState | None:
    """How reading Twilio's log is doing; None when no account is connected."""
    if not _is_connected():
        return None
    readings = list(LogReading.objects.filter(account=settings.ENVIRONMENT.twilio_account_sid))
    ends = [reading.last_ok_at for reading in readings]
    last_ok_at = min((end for end in ends if end), default=None) if all(ends) else None
    since = last_ok_at or min((reading.connected_at for reading in readings), default=at)
    return LogState(
        last_ok_at=last_ok_at,
        completed_until=min((r.completed_until for r in readings if r.completed_until), default=None),
        error=next((error for each in readings if (error := each.last_error or each.back_error)), ""),
        is_called=any(reading.called_at for reading in readings),
        level="good" if at - since < LATE else "attention" if at - since < SILENT else "danger",
        **{name: sum(getattr(reading, name) for reading in readings) for name in (*COUNTS, *TOTALS)},
    )
