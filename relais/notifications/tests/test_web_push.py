"""Encryption and token, checked by other implementations of the same standards."""

import secrets
from datetime import UTC, datetime

import http_ece
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from relais.notifications.web_push import (
    MAX_MESSAGE_BYTES,
    BrowserKeys,
    VapidKey,
    encrypt,
    from_base64url,
    to_base64url,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def keys_of(browser):
    keys = browser.subscription("https://push.example/1")["keys"]
    return BrowserKeys.parse(keys["p256dh"], keys["auth"])


@pytest.mark.parametrize(
    "message", [b"", "موعد غدا".encode(), b"x" * MAX_MESSAGE_BYTES], ids=["empty", "arabic", "long"]
)
def test_the_browser_reads_what_was_encrypted_for_it(browser_double, message):
    assert browser_double.decrypt(encrypt(message, keys_of(browser_double))) == message


def test_the_same_message_is_never_encrypted_alike(browser_double):
    keys = keys_of(browser_double)
    assert encrypt(b"x", keys) != encrypt(b"x", keys)


def test_another_browser_reads_nothing(browser_double):
    other = type(browser_double)()
    with pytest.raises(http_ece.ECEException):
        other.decrypt(encrypt(b"x", keys_of(browser_double)))


@pytest.mark.parametrize("_attempt", range(20))
def test_the_token_names_the_service_and_is_signed_by_the_key(_attempt):
    key = VapidKey(secrets.token_urlsafe(32))
    header = key.authorization("https://push.example:8443/a/b?c", contact="mailto:a@b.example", at=NOW)
    token, public = (part.partition("=")[2] for part in header.removeprefix("vapid ").split(", "))
    assert public == key.public_key
    public_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_base64url(public))
    options = {"verify_exp": False}
    claims = jwt.decode(
        token, public_key, algorithms=["ES256"], audience="https://push.example:8443", options=options
    )
    assert claims["sub"] == "mailto:a@b.example"
    assert 0 < claims["exp"] - NOW.timestamp() <= 24 * 3600


def test_the_same_secret_is_the_same_identity_and_any_secret_is_valid():
    assert VapidKey("A" * 43).public_key == VapidKey("A" * 43).public_key
    assert VapidKey(to_base64url(b"\xff" * 32)).public_key != VapidKey(to_base64url(b"\0" * 32)).public_key


@pytest.mark.parametrize(
    "p256dh, auth", [("", ""), ("AAAA", "AAAA"), ("!" * 87, "A" * 22), ("A" * 87, "é" * 22)]
)
def test_keys_of_another_form_are_refused(p256dh, auth):
    with pytest.raises(ValueError):
        BrowserKeys.parse(p256dh, auth)
