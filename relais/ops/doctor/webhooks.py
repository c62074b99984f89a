"""Check of the public address: Twilio's calls reach us, and only signed ones are accepted.

It sends two status callbacks for an unknown message, one with a valid signature and one without. Neither is stored;
the second is signed with a key by which the webhook knows the doctor and does not count an attack.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import requests

from relais.environment import LOOPBACK_HOSTS
from relais.ops.doctor import http_probe
from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, failed, ok, unverified, warning
from relais.whatsapp.inbound.signature import doctor_probe_key

STATUS_PATH = "/api/twilio/status?ref=doctor"
UNKNOWN_MESSAGE = {"MessageSid": "SM" + "0" * 32, "MessageStatus": "sent", "From": "", "To": ""}


def check_public_address(context: DoctorContext) -> Iterator[CheckResult]:
    environment = context.environment
    address = urlsplit(environment.public_base_url)
    if address.hostname in LOOPBACK_HOSTS and not environment.demo:
        yield failed(
            f"{environment.public_base_url} leads to this machine itself: Twilio reaches neither webhooks nor files.",
            "Set PUBLIC_BASE_URL to the address by which the internet reaches Relais, such as https://relais.example.com.",
        )
    elif address.scheme != "https" and not environment.demo:
        yield warning(
            f"{environment.public_base_url} is not encrypted: what clients write is read on the way.",
            "Let a proxy serve https, and write PUBLIC_BASE_URL so.",
        )
    try:
        yield from _check_signatures(context)
    except http_probe.Unreachable as error:
        yield failed(
            f"{environment.public_base_url} is not reached from here: {error.sentence}.", error.advice
        )


def _check_signatures(context: DoctorContext) -> Iterator[CheckResult]:
    environment = context.environment
    if not environment.twilio_auth_token:
        yield from _check_rejection(context)
        yield unverified(
            f"{environment.public_base_url} is reached; nothing can be signed without TWILIO_AUTH_TOKEN.",
            "See the line on credentials.",
        )
        return
    response = http_probe.call(
        context, "POST", STATUS_PATH, UNKNOWN_MESSAGE, token=environment.twilio_auth_token
    )
    if response.status_code != 204:
        yield _explain_failure(context, response)
        return
    if problem := next(_check_rejection(context), None):
        yield problem
        return
    yield ok(f"{environment.public_base_url} is reached; what is signed is let in, what is not is refused.")


def _check_rejection(context: DoctorContext) -> Iterator[CheckResult]:
    response = http_probe.call(
        context, "POST", STATUS_PATH, UNKNOWN_MESSAGE, token=doctor_probe_key(context.environment.secret_key)
    )
    if response.status_code != 403 or not _is_from_relais(response):
        yield failed(
            f"A call with a wrong signature is answered {response.status_code}, not refused with 403.",
            "See what answers at PUBLIC_BASE_URL: it is not Relais, or another one.",
        )


def _explain_failure(context: DoctorContext, response: requests.Response) -> CheckResult:
    base, code = context.environment.public_base_url, response.status_code
    if 300 <= code < 400:
        to = urlsplit(response.headers.get("Location", ""))
        return failed(
            f"{base} redirects to {to.scheme}://{to.hostname or ''}{to.path}: "
            "Twilio follows with GET and loses the message.",
            "Set PUBLIC_BASE_URL to where it leads in the end, or let the proxy answer without a redirect.",
        )
    if code == 403 and _is_from_relais(response):
        return failed(
            "A call signed with TWILIO_AUTH_TOKEN is refused (403).",
            "Relais may have been started with another token or PUBLIC_BASE_URL: restart it. Else the proxy changes "
            "path or query: it must leave them as they are.",
        )
    if code == 503 and _is_from_relais(response):
        return failed("Relais is reached, but cannot store (503).", "See the line on the database.")
    who = "Relais" if _is_from_relais(response) else "Something that is not Relais"
    return failed(
        f"{who} answers {code} at {base}/api/twilio/status.",
        "Let the proxy pass /api/twilio/ on to Relais, with POST and unchanged; see its log and that of Relais.",
    )


def _is_from_relais(response: requests.Response) -> bool:
    with suppress(ValueError):
        payload = json.loads(response.content)
        return isinstance(payload, dict) and payload.get("success") == "false"
    return False
