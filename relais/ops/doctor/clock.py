"""Check of the clocks: this machine's against the database's, the public address's and Twilio's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

import psycopg

from relais.ops.doctor import http_probe
from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, failed, ok, unverified
from relais.whatsapp.client import OutcomeUnknown, RetryLater, TwilioRefused

MAX_CLOCK_DIFFERENCE = timedelta(seconds=5)
"""A Date header has whole seconds, and network latency."""
ADVICE = "Let the time be set by the network (timedatectl set-ntp true)."


def check_clock(context: DoctorContext) -> Iterator[CheckResult]:
    compared: list[str] = []
    for whose, theirs in _clocks(context):
        ours = context.now()
        if abs(off := ours - theirs) > MAX_CLOCK_DIFFERENCE:
            ahead = "ahead of" if off > timedelta(0) else "behind"
            yield failed(
                f"This machine's clock is {abs(off).total_seconds():.0f} s {ahead} {whose}.",
                f"{ADVICE} The 24-hour window, time-outs and what people read go by it.",
            )
        else:
            compared.append(whose)
    zone = context.environment.time_zone
    here = context.now().astimezone(ZoneInfo(zone))
    time_here = f"It is {here:%H:%M} in {zone} (RELAIS_TIME_ZONE)"
    if compared:
        yield ok(f"{time_here}, as by {' and '.join(compared)}.")
    else:
        yield unverified(
            f"{time_here}; no other clock could be read.", "See the lines on database and address."
        )


def _clocks(context: DoctorContext) -> Iterator[tuple[str, datetime]]:
    with suppress(psycopg.Error), context.database() as db:
        (theirs,) = db.execute("select clock_timestamp()").fetchone() or (context.now(),)
        yield "the database's", theirs
    with suppress(http_probe.Unreachable):
        if theirs := _date(http_probe.call(context, "GET", "/api/live").headers.get("Date")):
            yield "that of the public address", theirs
    if context.live:
        with suppress(RetryLater, TwilioRefused, OutcomeUnknown):
            if theirs := _date(http_probe.fetch_account(context).headers.get("Date")):
                yield "Twilio's", theirs


def _date(header: str | None) -> datetime | None:
    with suppress(ValueError):
        moment = parsedate_to_datetime(header or "")
        return moment if moment.tzinfo else None
    return None
