"""Whether a request really comes from Twilio, told from what was sent, byte for byte."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from urllib.parse import quote, unquote_to_bytes, urlsplit

from relais.whatsapp.assumptions import SIGNED_URL_MAY_CARRY_CREDENTIALS

MAY_STAND_IN_CREDENTIALS = ":!$&'()*+,;="
"""Beside letters and digits; anything else, a stranger's slash above all, would make another address of ours."""
FORM = "application/x-www-form-urlencoded"
DEFAULT_PORTS = {"http": 80, "https": 443}
BODY_HASH = re.compile(r"(?:^|&)bodySHA256=([0-9a-f]{64})(?=&|$)")
SIGNATURE_CHARACTERS = 28
"""Base64 of a SHA-1 digest."""


class Form:
    """Parameters by name, each with all its values."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.values: dict[str, list[str]] = {}
        for name, value in pairs:
            self.values.setdefault(name, []).append(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def getall(self, name: str) -> list[str]:
        """By this name the validator of the SDK, which the tests compare with, asks."""
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
    def field_count(self) -> int:
        """How many fields a form has, counted without reading them."""
        return self.body.count(b"&") + 1 if self.is_form else 0

    @property
    def may_be_signed(self) -> bool:
        """Whether there is a signature worth computing another one for."""
        return len(self.signature) == SIGNATURE_CHARACTERS

    @cached_property
    def form(self) -> Form:
        """All parameters, repeated and empty ones included: Twilio signs over every one."""
        fields = self.body.decode("utf-8", "replace").split("&")
        return Form(_pair(field) for field in fields if field)

    @cached_property
    def signed_fields(self) -> bytes:
        """What the signature covers behind the address: every name with each of its values, sorted."""
        if not self.is_form:
            return b""
        return "".join(
            name + value
            for name, values in sorted(self.form.values.items())
            for value in (values if len(values) == 1 else sorted(set(values)))
        ).encode()


def _pair(field: str) -> tuple[str, str]:
    """Most of what arrives is written as it is, and `parse_qsl` would look closely at each of twenty fields."""
    name, _, value = field.partition("=")
    return (_decoded(name), _decoded(value)) if "%" in field or "+" in field else (name, value)


def _decoded(text: str) -> str:
    spaced = text.replace("+", " ")
    return unquote_to_bytes(spaced).decode("utf-8", "replace") if "%" in spaced else spaced


def is_signed(request: RawRequest, *, base_url: str, tokens: Iterable[str]) -> bool:
    """Against the public address and any of the account's tokens (the second one serves while tokens change)."""
    if not request.may_be_signed or not _body_is_covered(request):
        return False
    tail = request.path + (f"?{request.query}" if request.query else "")
    given, fields = request.signature.encode(), request.signed_fields
    return any(
        hmac.compare_digest(
            b64encode(hmac.digest(token.encode(), (url + tail).encode() + fields, "sha1")), given
        )
        for token in tokens
        if token
        for url in _signed_urls(base_url, basic_credentials(request.authorization))
    )


def _body_is_covered(request: RawRequest) -> bool:
    """A form is signed field by field; of any other body the signed address has the hash."""
    if request.is_form:
        return True
    told = BODY_HASH.search(request.query)
    return told is not None and told[1] == hashlib.sha256(request.body).hexdigest()


@lru_cache(maxsize=64)
def _signed_urls(base_url: str, credentials: str) -> tuple[str, ...]:
    """Twilio signs the address with or without its port, and perhaps with the credentials that stand in it."""
    url = urlsplit(base_url)
    host = url.netloc if url.port is None else url.netloc.rpartition(":")[0]
    port = url.port or DEFAULT_PORTS.get(url.scheme, 80)
    written = quote(credentials, safe=MAY_STAND_IN_CREDENTIALS) if SIGNED_URL_MAY_CARRY_CREDENTIALS else ""
    return tuple(
        f"{url.scheme}://{userinfo}{place}"
        for userinfo in dict.fromkeys(("", f"{written}@" if written else ""))
        for place in dict.fromkeys((url.netloc, host, f"{host}:{port}"))
    )


def trial_key(secret_key: str) -> str:
    """By what `relais doctor` signs a call that the door must refuse: no token of Twilio's, and known to us alone."""
    return hmac.new(secret_key.encode(), b"a call to be refused", hashlib.sha256).hexdigest()


def knows_the_secret(request: RawRequest, secret: str) -> bool:
    """HTTP Basic `studio:SECRET`, from the URL that Studio was given. An empty secret never matches."""
    given = basic_credentials(request.authorization)
    return bool(secret) and hmac.compare_digest(given.encode(), f"studio:{secret}".encode())


def basic_credentials(authorization: str) -> str:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(encoded, validate=True).decode("utf-8")
    except ValueError:
        return ""
