"""Do the clocks agree: this machine's, the database's, and those of the hosts outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

import psycopg

from relais.ops.doctor import http_probe
from relais.ops.doctor.context import Patient
from relais.ops.doctor.result import Finding, failed, ok, unverified
from relais.whatsapp.client import OutcomeUnknown, RetryLater, TwilioRefused

FAR = timedelta(seconds=5)
"""A header tells whole seconds, and travels."""
ADVICE = "Let the time be set by the network (timedatectl set-ntp true)."


def look(patient: Patient) -> Iterator[Finding]:
    compared: list[str] = []
    for whose, theirs in _clocks(patient):
        ours = patient.now()
        if abs(off := ours - theirs) > FAR:
            ahead = "ahead of" if off > timedelta(0) else "behind"
            yield failed(
                f"This machine's clock is {abs(off).total_seconds():.0f} s {ahead} {whose}.",
                f"{ADVICE} The 24-hour window, time-outs and what people read go by it.",
            )
        else:
            compared.append(whose)
    zone = patient.environment.time_zone
    here = patient.now().astimezone(ZoneInfo(zone))
    told = f"It is {here:%H:%M} in {zone} (RELAIS_TIME_ZONE)"
    if compared:
        yield ok(f"{told}, as by {' and '.join(compared)}.")
    else:
        yield unverified(f"{told}; no other clock could be asked.", "See the lines on database and address.")


def _clocks(patient: Patient) -> Iterator[tuple[str, datetime]]:
    with suppress(psycopg.Error), patient.database() as db:
        (theirs,) = db.execute("select clock_timestamp()").fetchone() or (patient.now(),)
        yield "the database's", theirs
    with suppress(http_probe.Unreachable):
        if theirs := _date(http_probe.call(patient, "GET", "/api/live").headers.get("Date")):
            yield "that of the public address", theirs
    if patient.live:
        with suppress(RetryLater, TwilioRefused, OutcomeUnknown):
            if theirs := _date(http_probe.ask_twilio(patient).headers.get("Date")):
                yield "Twilio's", theirs


def _date(header: str | None) -> datetime | None:
    with suppress(ValueError):
        moment = parsedate_to_datetime(header or "")
        return moment if moment.tzinfo else None
    return None
