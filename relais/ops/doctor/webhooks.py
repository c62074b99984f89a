"""Does what Twilio calls reach us, and is it let in for its signature alone.

Two calls through the public address: a status callback about a message that nobody sent, rightly signed and
then not. Neither leaves a trace; the second is signed with a key by which the door knows that it is a trial.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import requests

from relais.environment import LOOPBACK
from relais.ops.doctor import http_probe
from relais.ops.doctor.context import Patient
from relais.ops.doctor.result import Finding, failed, ok, unverified, warning
from relais.whatsapp.inbound.signature import doctor_probe_key

PATH = "/api/twilio/status?ref=doctor"
NOBODY_SENT_IT = {"MessageSid": "SM" + "0" * 32, "MessageStatus": "sent", "From": "", "To": ""}


def look(patient: Patient) -> Iterator[Finding]:
    told = patient.environment
    address = urlsplit(told.public_base_url)
    if address.hostname in LOOPBACK and not told.demo:
        yield failed(
            f"{told.public_base_url} leads to this machine itself: Twilio does not reach it.",
            "Set PUBLIC_BASE_URL to the address by which the internet reaches Relais, such as https://relais.example.com.",
        )
    elif address.scheme != "https" and not told.demo:
        yield warning(
            f"{told.public_base_url} is not encrypted: what clients write is read on the way.",
            "Let a proxy serve https, and write PUBLIC_BASE_URL so.",
        )
    try:
        yield from _both_ways(patient)
    except http_probe.Unreachable as why:
        yield failed(f"{told.public_base_url} is not reached from here: {why.sentence}.", why.advice)


def _both_ways(patient: Patient) -> Iterator[Finding]:
    told = patient.environment
    if not told.twilio_auth_token:
        yield from _let_in_unsigned(patient)
        yield unverified(
            f"{told.public_base_url} is reached; nothing can be signed without TWILIO_AUTH_TOKEN.",
            "See the line on credentials.",
        )
        return
    answer = http_probe.call(patient, "POST", PATH, NOBODY_SENT_IT, token=told.twilio_auth_token)
    if answer.status_code != 204:
        yield _wrong(patient, answer)
        return
    if fault := next(_let_in_unsigned(patient), None):
        yield fault
        return
    yield ok(f"{told.public_base_url} is reached; what is signed is let in, what is not is refused.")


def _let_in_unsigned(patient: Patient) -> Iterator[Finding]:
    answer = http_probe.call(
        patient, "POST", PATH, NOBODY_SENT_IT, token=doctor_probe_key(patient.environment.secret_key)
    )
    if answer.status_code != 403 or not _is_ours(answer):
        yield failed(
            f"A call with a wrong signature is answered {answer.status_code}, not refused with 403.",
            "See what answers at PUBLIC_BASE_URL: it is not Relais, or another one.",
        )


def _wrong(patient: Patient, answer: requests.Response) -> Finding:
    base, code = patient.environment.public_base_url, answer.status_code
    if 300 <= code < 400:
        to = urlsplit(answer.headers.get("Location", ""))
        return failed(
            f"{base} redirects to {to.scheme}://{to.hostname or ''}{to.path}: "
            "Twilio follows with GET and loses the message.",
            "Set PUBLIC_BASE_URL to where it leads in the end, or let the proxy answer without a redirect.",
        )
    if code == 403 and _is_ours(answer):
        return failed(
            "A call signed with TWILIO_AUTH_TOKEN is refused (403).",
            "Relais may have been started with another token or PUBLIC_BASE_URL: restart it. Else the proxy changes "
            "path or query: it must leave them as they are.",
        )
    if code == 503 and _is_ours(answer):
        return failed("Relais is reached, but cannot store (503).", "See the line on the database.")
    who = "Relais" if _is_ours(answer) else "Something that is not Relais"
    return failed(
        f"{who} answers {code} at {base}/api/twilio/status.",
        "Let the proxy pass /api/twilio/ on to Relais, with POST and unchanged; see its log and that of Relais.",
    )


def _is_ours(answer: requests.Response) -> bool:
    with suppress(ValueError):
        told = json.loads(answer.content)
        return isinstance(told, dict) and told.get("success") == "false"
    return False
