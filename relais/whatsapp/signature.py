"""Whether a request really comes from Twilio, told from what was sent, byte for byte."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

from relais.whatsapp.assumptions import SIGNED_URL_MAY_CARRY_CREDENTIALS

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class RawRequest:
    """What arrived: path and query undecoded, since Twilio signs the address as it called it."""

    path: str
    query: str
    content_type: str
    body: bytes
    signature: str
    authorization: str

    @property
    def is_form(self) -> bool:
        return self.content_type in ("", FORM)

    def form(self) -> ImmutableMultiDict[str, str]:
        """All parameters, repeated and empty ones included: Twilio signs over every one."""
        pairs = parse_qsl(
            self.body.decode("utf-8", "replace"), keep_blank_values=True, encoding="utf-8", errors="replace"
        )
        return ImmutableMultiDict(pairs)


def is_signed(request: RawRequest, *, base_url: str, tokens: Iterable[str]) -> bool:
    """Against the public address and any of the account's tokens (the second one serves while tokens change)."""
    if not request.signature:
        return False
    if request.is_form:
        params: Any = request.form()
    elif "bodySHA256=" in request.query:
        try:
            params = request.body.decode("utf-8")
        except UnicodeDecodeError:
            return False
    else:
        return False
    tail = request.path + (f"?{request.query}" if request.query else "")
    return any(
        RequestValidator(token).validate(base + tail, params, request.signature)
        for token in tokens
        if token
        for base in _bases(base_url, request)
    )


def _bases(base_url: str, request: RawRequest) -> list[str]:
    credentials = basic_credentials(request.authorization)
    if not credentials or not SIGNED_URL_MAY_CARRY_CREDENTIALS:
        return [base_url]
    url = urlsplit(base_url)
    return [base_url, url._replace(netloc=f"{credentials}@{url.netloc}").geturl()]


def knows_the_secret(request: RawRequest, secret: str) -> bool:
    """HTTP Basic `studio:SECRET`, from the URL that Studio was given. An empty secret never matches."""
    given = basic_credentials(request.authorization)
    return bool(secret) and hmac.compare_digest(given.encode(), f"studio:{secret}".encode())


def bearer(request: RawRequest) -> str:
    scheme, _, token = request.authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def basic_credentials(authorization: str) -> str:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(encoded, validate=True).decode("utf-8")
    except ValueError:
        return ""
