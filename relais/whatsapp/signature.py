"""Whether a request really comes from Twilio, told from what was sent, byte for byte."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, quote, unquote_to_bytes, urlsplit

from twilio.request_validator import RequestValidator

from relais.whatsapp.assumptions import SIGNED_URL_MAY_CARRY_CREDENTIALS

MAY_STAND_IN_CREDENTIALS = ":!$&'()*+,;="
"""Beside letters and digits; anything else, a stranger's slash above all, would make another address of ours."""
FORM = "application/x-www-form-urlencoded"


class Form:
    """Parameters by name, each with all its values. A lookup takes no longer when there are many, since anyone may
    send us a quarter of a megabyte of them, and the validator looks every one up.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.values: dict[str, list[str]] = {}
        for name, value in pairs:
            self.values.setdefault(name, []).append(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def getall(self, name: str) -> list[str]:
        """By this name the validator of the SDK asks."""
        return self.values[name]


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

    @property
    def has_a_hash(self) -> bool:
        """Whether the address tells the body's hash, as Twilio has it for a body that is no form."""
        return "bodySHA256" in parse_qs(self.query)

    @cached_property
    def form(self) -> Form:
        """All parameters, repeated and empty ones included: Twilio signs over every one."""
        fields = self.body.decode("utf-8", "replace").split("&")
        return Form(_pair(field) for field in fields if field)


def _pair(field: str) -> tuple[str, str]:
    """Most of what arrives is written as it is, and `parse_qsl` would look closely at each of twenty fields."""
    name, _, value = field.partition("=")
    return (_decoded(name), _decoded(value)) if "%" in field or "+" in field else (name, value)


def _decoded(text: str) -> str:
    spaced = text.replace("+", " ")
    return unquote_to_bytes(spaced).decode("utf-8", "replace") if "%" in spaced else spaced


def is_signed(request: RawRequest, *, base_url: str, tokens: Iterable[str]) -> bool:
    """Against the public address and any of the account's tokens (the second one serves while tokens change)."""
    if not request.signature:
        return False
    if request.is_form:
        params: Any = request.form
    elif request.has_a_hash:
        try:
            params = request.body.decode("utf-8")
        except UnicodeDecodeError:
            return False
    else:
        return False
    tail = request.path + (f"?{request.query}" if request.query else "")
    return any(
        _is_as_called(token, base + tail, params, request.signature)
        or RequestValidator(token).validate(base + tail, params, request.signature)
        for token in tokens
        if token
        for base in _bases(base_url, request)
    )


def _is_as_called(token: str, url: str, params: Any, signature: str) -> bool:
    """The usual case in a tenth of the time: a form, and the address as it stands. All else is the validator's."""
    if not isinstance(params, Form):
        return False
    fields = "".join(
        name + value
        for name, values in sorted(params.values.items())
        for value in (values if len(values) == 1 else sorted(set(values)))
    )
    made = b64encode(hmac.digest(token.encode(), (url + fields).encode(), "sha1"))
    return hmac.compare_digest(made, signature.encode())


def trial_key(secret_key: str) -> str:
    """By what `relais doctor` signs a call that the door must refuse: no token of Twilio's, and known to us alone."""
    return hmac.new(secret_key.encode(), b"a call to be refused", hashlib.sha256).hexdigest()


def _bases(base_url: str, request: RawRequest) -> list[str]:
    credentials = basic_credentials(request.authorization)
    if not credentials or not SIGNED_URL_MAY_CARRY_CREDENTIALS:
        return [base_url]
    url, written = urlsplit(base_url), quote(credentials, safe=MAY_STAND_IN_CREDENTIALS)
    return [base_url, url._replace(netloc=f"{written}@{url.netloc}").geturl()]


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
