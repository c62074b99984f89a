"""HTTP requests of the checks: to our own public address, as Twilio sends them, and to Twilio itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import requests
import urllib3
from twilio.request_validator import RequestValidator

from relais.ops.doctor.context import DoctorContext
from relais.whatsapp import client

CONNECT_AND_READ_TIMEOUT_SECONDS = (3, 4)
"""A check has ten in all."""
MAX_RESPONSE_BYTES = 64 * 1024


class Unreachable(Exception):
    """Why the public address cannot be reached, and what to do."""

    def __init__(self, sentence: str, advice: str) -> None:
        self.sentence, self.advice = sentence, advice
        super().__init__(sentence)


def call(
    context: DoctorContext,
    method: str,
    path: str,
    params: Mapping[str, str] | None = None,
    *,
    token: str = "",
) -> requests.Response:
    """One request to our public address, without following redirects; with a `token` it is signed as Twilio signs."""
    url = context.environment.public_base_url + path
    headers = {"User-Agent": "TwilioProxy/1.1 (relais doctor)"}
    if token:
        headers["X-Twilio-Signature"] = RequestValidator(token).compute_signature(url, dict(params or {}))
    if params is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
    with requests.Session() as http:
        # Ignore proxy and .netrc settings of this machine, which Twilio does not have.
        http.trust_env = False
        try:
            with http.request(
                method, url, data=urlencode(params) if params is not None else None, headers=headers,
                timeout=CONNECT_AND_READ_TIMEOUT_SECONDS, allow_redirects=False, stream=True,
            ) as response:  # fmt: skip
                response._content = response.raw.read(MAX_RESPONSE_BYTES, decode_content=True)
                return response
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _unreachable(error) from error


def _unreachable(error: BaseException) -> Unreachable:
    reasons = _reasons(error)
    names = {type(reason).__name__ for reason in reasons}
    if certificate_error := next(
        (each for each in reasons if type(each).__name__ == "SSLCertVerificationError"), None
    ):
        why = getattr(certificate_error, "verify_message", "") or "it is not trusted"
        return Unreachable(
            f"its certificate does not hold ({why})",
            "Give it one that browsers trust, with its whole chain: Twilio checks it.",
        )
    if isinstance(error, requests.exceptions.SSLError):
        return Unreachable(
            "it speaks no TLS there", "Let the proxy serve https on that port, or write the right port."
        )
    if "NameResolutionError" in names or "gaierror" in names:
        return Unreachable(
            "its name is not known", "Write PUBLIC_BASE_URL rightly, or have its name entered in the DNS."
        )
    if isinstance(error, requests.exceptions.Timeout) or "ReadTimeoutError" in names:
        return Unreachable(
            "it does not answer in time",
            "See firewall and proxy. Some networks reach their own public address from outside only: "
            "then try it from there (curl PUBLIC_BASE_URL/api/live).",
        )
    if "ConnectionRefusedError" in names or "NewConnectionError" in names:
        return Unreachable(
            "nobody listens there", "Start Relais by bin/up; see the proxy's address and port."
        )
    return Unreachable(f"the connection broke ({type(error).__name__})", "See the proxy and its log.")


def _reasons(error: BaseException | None) -> list[BaseException]:
    """The error and its chain of causes."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        inner: Any = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return chain


def fetch_account(context: DoctorContext) -> Any:
    """Our own account: the SDK's response with status, text and headers. Raises the errors of `whatsapp.client`."""
    account = context.environment.twilio_account_sid
    with client.classify_errors():
        return client.twilio().request("GET", f"https://api.twilio.com/2010-04-01/Accounts/{account}.json")
