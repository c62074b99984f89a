"""Verification of `X-Twilio-Signature`: whether a request comes from Twilio, computed over the bytes that arrived."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, urlsplit

from relais.whatsapp.assumptions import SIGNED_URL_MAY_CARRY_CREDENTIALS
from relais.whatsapp.inbound.raw_request import RawRequest

SAFE_CREDENTIAL_CHARACTERS = ":!$&'()*+,;="
"""Besides letters and digits; anything else, above all a stranger's slash, would change which URL of ours is meant."""
DEFAULT_PORTS = {"http": 80, "https": 443}
BODY_HASH = re.compile(r"(?:^|&)bodySHA256=([0-9a-f]{64})(?=&|$)")


def is_signed(request: RawRequest, *, base_url: str, tokens: Iterable[str]) -> bool:
    """Checked for the public URL with each of the account's tokens (the secondary one serves token rotation)."""
    if not request.may_be_signed or not _is_body_covered(request):
        return False
    path_and_query = request.path + (f"?{request.query}" if request.query else "")
    signature, fields = request.signature.encode(), request.signed_fields
    return any(
        hmac.compare_digest(
            b64encode(hmac.digest(token.encode(), (url + path_and_query).encode() + fields, "sha1")),
            signature,
        )
        for token in tokens
        if token
        for url in _signed_urls(base_url, basic_credentials(request.authorization))
    )


def _is_body_covered(request: RawRequest) -> bool:
    """A form is signed field by field; for any other body the signed URL carries the hash."""
    if request.is_form:
        return True
    body_hash = BODY_HASH.search(request.query)
    return body_hash is not None and body_hash[1] == hashlib.sha256(request.body).hexdigest()


@lru_cache(maxsize=64)
def _signed_urls(base_url: str, credentials: str) -> tuple[str, ...]:
    """Twilio signs the URL with or without its port, and perhaps with the credentials that it contains."""
    url = urlsplit(base_url)
    host = url.netloc if url.port is None else url.netloc.rpartition(":")[0]
    port = url.port or DEFAULT_PORTS.get(url.scheme, 80)
    quoted = quote(credentials, safe=SAFE_CREDENTIAL_CHARACTERS) if SIGNED_URL_MAY_CARRY_CREDENTIALS else ""
    return tuple(
        f"{url.scheme}://{userinfo}{netloc}"
        for userinfo in dict.fromkeys(("", f"{quoted}@" if quoted else ""))
        for netloc in dict.fromkeys((url.netloc, host, f"{host}:{port}"))
    )


def doctor_probe_key(secret_key: str) -> str:
    """The key by which `relais doctor` signs a call that must be rejected: not a Twilio token, and known only to us."""
    return hmac.new(secret_key.encode(), b"a call to be refused", hashlib.sha256).hexdigest()


def has_studio_secret(request: RawRequest, secret: str) -> bool:
    """HTTP Basic `studio:SECRET`, from the URL configured in Studio. An empty secret never matches."""
    credentials = basic_credentials(request.authorization)
    return bool(secret) and hmac.compare_digest(credentials.encode(), f"studio:{secret}".encode())


def basic_credentials(authorization: str) -> str:
    """`user:password` of an `Authorization: Basic` header; empty when there is none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(encoded, validate=True).decode("utf-8")
    except ValueError:
        return ""
