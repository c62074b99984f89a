"""Rejected calls are cheap and throttled, and never delay or lock out callers with valid credentials."""

import asyncio
import base64
import hmac
import socket
import threading
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings

from relais.conversations.models import ConversationEvent
from relais.whatsapp.inbound import authentication, raw_request, signature
from relais.whatsapp.inbound.auth_throttle import MAX_REJECTED_CALLS, MAX_WRONG_CREDENTIALS
from relais.whatsapp.inbound.authentication import (
    MAX_QUEUED_CHECKS,
    SMALL_BODY_BYTES,
    AuthenticationState,
    NotAuthenticated,
    SignatureOrSecretAuthentication,
    TokenAuthentication,
)
from relais.whatsapp.inbound.hooks import MAX_FORM_FIELDS
from relais.whatsapp.inbound.raw_request import RawRequest
from relais.whatsapp.inbound.signature import is_signed
from tests.web_server import wait_until

from .conftest import message_params

pytestmark = pytest.mark.django_db(transaction=True)
LOCAL, STRANGER = "127.0.0.1", "203.0.113.7"
FORGED_SIGNATURE = base64.b64encode(bytes(20)).decode()


def basic(secret):
    return {"Authorization": "Basic " + base64.b64encode(f"studio:{secret}".encode()).decode()}


def raw(body=b"a=b", *, signature="", authorization=""):
    return RawRequest("/api/twilio/incoming", "", "", body, signature, authorization)


@pytest.fixture
def verified(monkeypatch):
    """The calls whose signature was verified, and in which thread."""
    calls, original = [], authentication._is_signed_by_twilio

    def recorded(raw):
        calls.append((raw, threading.current_thread()))
        return original(raw)

    monkeypatch.setattr(authentication, "_is_signed_by_twilio", recorded)
    return calls


# -- number of fields -------------------------------------------------------------------------------


def many_fields(count):
    named = message_params()
    return named | {f"f{n}": "" for n in range(count - len(named))}


def test_the_maximum_number_of_fields_is_accepted(twilio):
    assert twilio.call("/api/twilio/message", many_fields(MAX_FORM_FIELDS)).status_code == 200


@pytest.mark.parametrize("signed", [True, False])
def test_more_fields_are_rejected_before_the_signature_is_verified(twilio, verified, signed):
    response = twilio.call("/api/twilio/message", many_fields(MAX_FORM_FIELDS + 1), signed=signed)
    assert (response.status_code, response.json()["success"]) == (413, "false")
    assert (verified, ConversationEvent.objects.count()) == ([], 0)


def test_empty_fields_are_counted_too(twilio, verified):
    response = twilio.post("/api/twilio/message", b"&" * 200_000, {"X-Twilio-Signature": FORGED_SIGNATURE})
    assert (response.status_code, verified) == (413, [])


# -- cost of verification ---------------------------------------------------------------------------


@pytest.mark.parametrize("signature", ["", "x", FORGED_SIGNATURE[:-1], FORGED_SIGNATURE + "="])
def test_a_malformed_signature_is_not_verified(twilio, verified, signature):
    response = twilio.post("/api/twilio/message", b"a=b", {"X-Twilio-Signature": signature})
    assert (response.status_code, verified) == (403, [])


def test_the_signed_fields_are_joined_once_for_all_tokens_and_urls(monkeypatch):
    made, original = [], hmac.digest

    def digest(key, message, name):
        made.append(message)
        return original(key, message, name)

    monkeypatch.setattr(signature.hmac, "digest", digest)
    sorted_fields = []
    monkeypatch.setattr(
        raw_request, "sorted", lambda items: sorted_fields.append(1) or sorted(items), raising=False
    )
    assert not is_signed(raw(signature=FORGED_SIGNATURE), base_url="https://a.example", tokens=["one", "two"])
    assert sorted_fields == [1]
    assert set(made) == {
        b"https://a.example/api/twilio/incomingab",
        b"https://a.example:443/api/twilio/incomingab",
    }
    assert len(made) == 4


def test_a_valid_secret_needs_no_signature(twilio, verified):
    headers = basic("studio-secret") | {"X-Twilio-Signature": FORGED_SIGNATURE}
    assert (
        twilio.call("/api/twilio/incoming", message_params(), headers=headers, signed=False).status_code
        == 200
    )
    assert verified == []


def test_large_calls_are_verified_in_a_thread_and_small_ones_on_the_event_loop(twilio, verified, desk):
    twilio.call("/api/twilio/message", message_params())
    twilio.call("/api/twilio/message", message_params("x" * SMALL_BODY_BYTES))
    [(_, loop), (_, other)] = verified
    assert loop is not other


def test_unsigned_calls_never_delay_signed_ones(twilio, monkeypatch):
    """While the verification of twenty large calls hangs, a message from the same address is stored."""
    original, may_go_on = authentication._is_signed_by_twilio, threading.Event()

    def slow(raw):
        if len(raw.body) > SMALL_BODY_BYTES:
            may_go_on.wait(30)
        return original(raw)

    monkeypatch.setattr(authentication, "_is_signed_by_twilio", slow)
    statuses = []

    def large():
        body = urlencode({"Body": "x" * 200_000}).encode()
        response = type(twilio)(twilio.desk).post(
            "/api/twilio/message", body, {"X-Twilio-Signature": FORGED_SIGNATURE}
        )
        statuses.append(response.status_code)

    callers = [threading.Thread(target=large) for _ in range(20)]
    try:
        for caller in callers:
            caller.start()
        assert twilio.call("/api/twilio/message", message_params()).status_code == 200
        assert statuses == []
    finally:
        may_go_on.set()
        for caller in callers:
            caller.join()
    assert statuses == [403] * 20


def test_too_many_large_calls_at_once_are_503(twilio, hook_routes, monkeypatch):
    monkeypatch.setattr(authentication, "MAX_QUEUED_CHECKS", 0)
    response = twilio.call("/api/twilio/message", message_params("x" * SMALL_BODY_BYTES))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert twilio.call("/api/twilio/message", message_params()).status_code == 200
    assert MAX_QUEUED_CHECKS > 1


def test_large_calls_from_recently_rejected_addresses_queue_separately(monkeypatch):
    may_go_on = threading.Event()

    def slow(raw):
        if b"slow" in raw.body:
            may_go_on.wait(30)
        return True

    monkeypatch.setattr(authentication, "_is_signed_by_twilio", slow)

    async def story():
        state = AuthenticationState()
        for _ in range(MAX_REJECTED_CALLS):
            state.rejected_calls.record_failure(STRANGER)
        large = b"x" * (SMALL_BODY_BYTES + 1)
        hangs = asyncio.create_task(
            state.is_signed_by_twilio(raw(b"slow" + large, signature=FORGED_SIGNATURE), STRANGER)
        )
        assert await state.is_signed_by_twilio(raw(large, signature=FORGED_SIGNATURE), "198.51.100.1")
        assert not hangs.done()
        may_go_on.set()
        assert await hangs

    try:
        asyncio.run(story())
    finally:
        may_go_on.set()


# -- repeatedly rejected addresses ------------------------------------------------------------------


def send_head(twilio, *headers):
    """The status line of the response to a call whose body never arrives."""
    url = urlsplit(twilio.desk)
    lines = ["POST /api/twilio/message HTTP/1.1", f"Host: {url.netloc}", "Content-Length: 200000", *headers]
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection.recv(1024).split(b"\r\n")[0]


def test_a_repeatedly_rejected_address_is_rejected_unread(twilio, hook_routes):
    for _ in range(MAX_REJECTED_CALLS):
        assert twilio.call("/api/twilio/message", {}, signed=False).status_code == 403
    assert send_head(twilio) == b"HTTP/1.1 403 Forbidden"


def test_signed_calls_from_the_same_address_are_accepted(twilio, hook_routes):
    for _ in range(10 * MAX_REJECTED_CALLS):
        hook_routes.authentication.rejected_calls.record_failure(LOCAL)
    assert twilio.call("/api/twilio/message", message_params()).status_code == 200
    assert twilio.call("/api/twilio/message", message_params("x" * SMALL_BODY_BYTES)).status_code == 200
    assert twilio.call(
        "/api/twilio/incoming", message_params(), headers=basic("studio-secret"), signed=False
    ).ok


def test_413_and_405_still_come_before_403(twilio, hook_routes):
    for _ in range(MAX_REJECTED_CALLS):
        hook_routes.authentication.rejected_calls.record_failure(LOCAL)
    assert twilio.post("/api/twilio/message", b"x" * (256 * 1024 + 1)).status_code == 413
    assert twilio.post("/api/twilio/message", (b"x" * 1024 for _ in range(300))).status_code == 413
    assert twilio.http.get(f"{twilio.desk}/api/twilio/message", timeout=30).status_code == 405


# -- guesses ----------------------------------------------------------------------------------------


def test_guesses_of_the_secret_are_throttled_but_studio_is_not(twilio, hook_routes):
    statuses = [
        twilio.call("/api/twilio/complete", {}, headers=basic(f"guess{n}"), signed=False).status_code
        for n in range(MAX_WRONG_CREDENTIALS + 1)
    ]
    assert statuses == [403] * MAX_WRONG_CREDENTIALS + [429]
    response = twilio.call("/api/twilio/incoming", message_params(), headers=basic("guess"), signed=False)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "300")
    assert twilio.call(
        "/api/twilio/incoming", message_params(), headers=basic("studio-secret"), signed=False
    ).ok
    assert twilio.call("/api/twilio/incoming", message_params(), headers=basic("guess")).ok  # It is signed.


def test_guesses_of_a_token_are_throttled(twilio, hook_routes):
    for _ in range(MAX_WRONG_CREDENTIALS):
        hook_routes.authentication.wrong_credentials.record_failure(LOCAL)
    bearer = {"Authorization": "Bearer relais_" + "x" * 43}
    assert twilio.call("/api/twilio/send-message", {}, headers=bearer, signed=False).status_code == 429


def outcome(authentication, raw, host):
    try:
        asyncio.run(authentication.check(raw, host))
    except NotAuthenticated as error:
        return "throttled" if error.is_throttled else "rejected"
    return "accepted"


def call_with(secret):
    return raw(authorization=basic(secret)["Authorization"])


def test_beyond_the_limit_a_stranger_s_secret_is_not_compared():
    state = AuthenticationState()
    by_secret = SignatureOrSecretAuthentication(state)
    right = settings.ENVIRONMENT.studio_webhook_secret
    for n in range(MAX_WRONG_CREDENTIALS):
        assert outcome(by_secret, call_with(f"guess{n}"), STRANGER) == "rejected"
    assert outcome(by_secret, call_with(right), STRANGER) == "throttled"
    assert outcome(by_secret, call_with(right), "198.51.100.1") == "accepted"


def test_an_address_that_sent_the_right_secret_is_not_locked_out():
    state = AuthenticationState()
    by_secret = SignatureOrSecretAuthentication(state)
    right = settings.ENVIRONMENT.studio_webhook_secret
    assert outcome(by_secret, call_with(right), STRANGER) == "accepted"
    for n in range(MAX_WRONG_CREDENTIALS + 5):
        outcome(by_secret, call_with(f"guess{n}"), STRANGER)
    assert outcome(by_secret, call_with("one more"), STRANGER) == "throttled"
    assert outcome(by_secret, call_with(right), STRANGER) == "accepted"


def test_a_malformed_token_is_not_looked_up(monkeypatch):
    monkeypatch.setattr(authentication, "_is_known_token", lambda token: pytest.fail("it was looked up"))
    for given in ("", "Bearer ", "Bearer relais_short", "Bearer x" * 50, "Basic relais_" + "x" * 43):
        assert (
            outcome(TokenAuthentication(AuthenticationState()), raw(authorization=given), STRANGER)
            == "rejected"
        )


def test_token_lookups_queue_for_one_thread_and_delay_no_other_hook(twilio, monkeypatch):
    may_go_on, lookups = threading.Event(), []

    def slow(token):
        lookups.append(token)
        return may_go_on.wait(30) and False

    monkeypatch.setattr(authentication, "_is_known_token", slow)
    bearer = {"Authorization": "Bearer relais_" + "x" * 43}

    def guess():
        type(twilio)(twilio.desk).call("/api/twilio/send-message", {}, headers=bearer, signed=False)

    guessing = [threading.Thread(target=guess) for _ in range(6)]
    try:
        for thread in guessing:
            thread.start()
        wait_until(lambda: lookups)
        assert twilio.call("/api/twilio/complete", {"conversation_id": "1"}).status_code == 404
        assert len(lookups) == 1
    finally:
        may_go_on.set()
        for thread in guessing:
            thread.join()
