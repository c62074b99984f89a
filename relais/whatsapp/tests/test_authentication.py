"""What refused calls cost: they are bounded before anything is computed, and delay nobody who may call."""

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
from relais.whatsapp.inbound.authentication import (
    MAX_QUEUED_CHECKS,
    MAX_REJECTED_CALLS,
    MAX_WRONG_CREDENTIALS,
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

from .conftest import inbound

pytestmark = pytest.mark.django_db(transaction=True)
HERE, STRANGER = "127.0.0.1", "203.0.113.7"
MADE_UP = base64.b64encode(bytes(20)).decode()


def basic(secret):
    return {"Authorization": "Basic " + base64.b64encode(f"studio:{secret}".encode()).decode()}


def raw(body=b"a=b", *, signature="", authorization=""):
    return RawRequest("/api/twilio/incoming", "", "", body, signature, authorization)


@pytest.fixture
def checked(monkeypatch):
    """The calls whose signature was computed, and by which thread."""
    calls, really = [], authentication._is_signed_by_twilio

    def noted(raw):
        calls.append((raw, threading.current_thread()))
        return really(raw)

    monkeypatch.setattr(authentication, "_is_signed_by_twilio", noted)
    return calls


# -- too many fields ---------------------------------------------------------------------------------


def many_fields(count):
    named = inbound()
    return named | {f"f{n}": "" for n in range(count - len(named))}


def test_as_many_fields_as_may_be_are_taken(twilio):
    assert twilio.calls("/api/twilio/message", many_fields(MAX_FORM_FIELDS)).status_code == 200


@pytest.mark.parametrize("signed", [True, False])
def test_more_fields_are_refused_before_any_signature_is_computed(twilio, checked, signed):
    answer = twilio.calls("/api/twilio/message", many_fields(MAX_FORM_FIELDS + 1), signed=signed)
    assert (answer.status_code, answer.json()["success"]) == (413, "false")
    assert (checked, ConversationEvent.objects.count()) == ([], 0)


def test_fields_are_counted_as_they_are_sent_empty_ones_too(twilio, checked):
    answer = twilio.posts("/api/twilio/message", b"&" * 200_000, {"X-Twilio-Signature": MADE_UP})
    assert (answer.status_code, checked) == (413, [])


# -- what a signature costs ----------------------------------------------------------------------------


@pytest.mark.parametrize("signature", ["", "x", MADE_UP[:-1], MADE_UP + "="])
def test_what_has_not_the_form_of_a_signature_is_not_computed(twilio, checked, signature):
    answer = twilio.posts("/api/twilio/message", b"a=b", {"X-Twilio-Signature": signature})
    assert (answer.status_code, checked) == (403, [])


def test_the_fields_are_put_together_once_for_all_tokens_and_addresses(monkeypatch):
    made, really = [], hmac.digest

    def digest(key, message, name):
        made.append(message)
        return really(key, message, name)

    monkeypatch.setattr(signature.hmac, "digest", digest)
    sorted_fields = []
    monkeypatch.setattr(
        raw_request, "sorted", lambda items: sorted_fields.append(1) or sorted(items), raising=False
    )
    assert not is_signed(raw(signature=MADE_UP), base_url="https://a.example", tokens=["one", "two"])
    assert sorted_fields == [1]
    assert set(made) == {
        b"https://a.example/api/twilio/incomingab",
        b"https://a.example:443/api/twilio/incomingab",
    }
    assert len(made) == 4


def test_the_right_secret_needs_no_signature(twilio, checked):
    headers = basic("studio-secret") | {"X-Twilio-Signature": MADE_UP}
    assert twilio.calls("/api/twilio/incoming", inbound(), headers=headers, signed=False).status_code == 200
    assert checked == []


def test_a_large_call_is_checked_by_a_thread_and_a_small_one_on_the_loop(twilio, checked, desk):
    twilio.calls("/api/twilio/message", inbound())
    twilio.calls("/api/twilio/message", inbound("x" * SMALL_BODY_BYTES))
    [(_, loop), (_, other)] = checked
    assert loop is not other


def test_the_unsigned_never_hold_up_the_signed(twilio, monkeypatch):
    """Twenty large ones hang in their check; a message comes, from the same address, and is taken."""
    really, going_on = authentication._is_signed_by_twilio, threading.Event()

    def slow(raw):
        if len(raw.body) > SMALL_BODY_BYTES:
            going_on.wait(30)
        return really(raw)

    monkeypatch.setattr(authentication, "_is_signed_by_twilio", slow)
    statuses = []

    def large():
        body = urlencode({"Body": "x" * 200_000}).encode()
        answer = type(twilio)(twilio.desk).posts("/api/twilio/message", body, {"X-Twilio-Signature": MADE_UP})
        statuses.append(answer.status_code)

    callers = [threading.Thread(target=large) for _ in range(20)]
    try:
        for caller in callers:
            caller.start()
        assert twilio.calls("/api/twilio/message", inbound()).status_code == 200
        assert statuses == []
    finally:
        going_on.set()
        for caller in callers:
            caller.join()
    assert statuses == [403] * 20


def test_too_many_large_calls_at_once_are_asked_to_come_back(twilio, hook_routes, monkeypatch):
    monkeypatch.setattr(authentication, "MAX_QUEUED_CHECKS", 0)
    answer = twilio.calls("/api/twilio/message", inbound("x" * SMALL_BODY_BYTES))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert twilio.calls("/api/twilio/message", inbound()).status_code == 200
    assert MAX_QUEUED_CHECKS > 1


def test_large_calls_of_addresses_refused_lately_wait_apart(monkeypatch):
    going_on = threading.Event()

    def slow(raw):
        if b"slow" in raw.body:
            going_on.wait(30)
        return True

    monkeypatch.setattr(authentication, "_is_signed_by_twilio", slow)

    async def story():
        state = AuthenticationState()
        for _ in range(MAX_REJECTED_CALLS):
            state.rejected_calls.record_failure(STRANGER)
        large = b"x" * (SMALL_BODY_BYTES + 1)
        hangs = asyncio.create_task(
            state.is_signed_by_twilio(raw(b"slow" + large, signature=MADE_UP), STRANGER)
        )
        assert await state.is_signed_by_twilio(raw(large, signature=MADE_UP), "198.51.100.1")
        assert not hangs.done()
        going_on.set()
        assert await hangs

    try:
        asyncio.run(story())
    finally:
        going_on.set()


# -- refused time and again ---------------------------------------------------------------------------------


def begins(twilio, *headers):
    """A call whose body never comes: what is answered to it."""
    place = urlsplit(twilio.desk)
    lines = ["POST /api/twilio/message HTTP/1.1", f"Host: {place.netloc}", "Content-Length: 200000", *headers]
    with socket.create_connection((place.hostname, place.port), timeout=10) as plain:
        plain.sendall("\r\n".join([*lines, "", ""]).encode())
        return plain.recv(1024).split(b"\r\n")[0]


def test_who_is_refused_time_and_again_is_refused_unread(twilio, hook_routes):
    for _ in range(MAX_REJECTED_CALLS):
        assert twilio.calls("/api/twilio/message", {}, signed=False).status_code == 403
    assert begins(twilio) == b"HTTP/1.1 403 Forbidden"


def test_who_shares_that_address_and_signs_is_taken(twilio, hook_routes):
    for _ in range(10 * MAX_REJECTED_CALLS):
        hook_routes.authentication.rejected_calls.record_failure(HERE)
    assert twilio.calls("/api/twilio/message", inbound()).status_code == 200
    assert twilio.calls("/api/twilio/message", inbound("x" * SMALL_BODY_BYTES)).status_code == 200
    assert twilio.calls("/api/twilio/incoming", inbound(), headers=basic("studio-secret"), signed=False).ok


def test_too_large_is_still_said_first(twilio, hook_routes):
    for _ in range(MAX_REJECTED_CALLS):
        hook_routes.authentication.rejected_calls.record_failure(HERE)
    assert twilio.posts("/api/twilio/message", b"x" * (256 * 1024 + 1)).status_code == 413
    assert twilio.posts("/api/twilio/message", (b"x" * 1024 for _ in range(300))).status_code == 413
    assert twilio.http.get(f"{twilio.desk}/api/twilio/message", timeout=10).status_code == 405


# -- guesses --------------------------------------------------------------------------------------------


def test_guesses_of_the_secret_have_a_limit_which_studio_does_not_feel(twilio, hook_routes):
    statuses = [
        twilio.calls("/api/twilio/complete", {}, headers=basic(f"guess{n}"), signed=False).status_code
        for n in range(MAX_WRONG_CREDENTIALS + 1)
    ]
    assert statuses == [403] * MAX_WRONG_CREDENTIALS + [429]
    answer = twilio.calls("/api/twilio/incoming", inbound(), headers=basic("guess"), signed=False)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "300")
    assert twilio.calls("/api/twilio/incoming", inbound(), headers=basic("studio-secret"), signed=False).ok
    assert twilio.calls("/api/twilio/incoming", inbound(), headers=basic("guess")).ok  # It is signed.


def test_guesses_of_a_token_have_a_limit(twilio, hook_routes):
    for _ in range(MAX_WRONG_CREDENTIALS):
        hook_routes.authentication.wrong_credentials.record_failure(HERE)
    bearer = {"Authorization": "Bearer relais_" + "x" * 43}
    assert twilio.calls("/api/twilio/send-message", {}, headers=bearer, signed=False).status_code == 429


def outcome(authentication, raw, host):
    try:
        asyncio.run(authentication.check(raw, host))
    except NotAuthenticated as error:
        return "too many" if error.is_throttled else "refused"
    return "let in"


def call_with(secret):
    return raw(authorization=basic(secret)["Authorization"])


def test_beyond_the_limit_a_stranger_s_secret_is_not_even_compared():
    state = AuthenticationState()
    by_secret = SignatureOrSecretAuthentication(state)
    right = settings.ENVIRONMENT.studio_webhook_secret
    for n in range(MAX_WRONG_CREDENTIALS):
        assert outcome(by_secret, call_with(f"guess{n}"), STRANGER) == "refused"
    assert outcome(by_secret, call_with(right), STRANGER) == "too many"
    assert outcome(by_secret, call_with(right), "198.51.100.1") == "let in"


def test_where_the_right_secret_came_from_it_goes_on_to_be_taken():
    state = AuthenticationState()
    by_secret = SignatureOrSecretAuthentication(state)
    right = settings.ENVIRONMENT.studio_webhook_secret
    assert outcome(by_secret, call_with(right), STRANGER) == "let in"
    for n in range(MAX_WRONG_CREDENTIALS + 5):
        outcome(by_secret, call_with(f"guess{n}"), STRANGER)
    assert outcome(by_secret, call_with("one more"), STRANGER) == "too many"
    assert outcome(by_secret, call_with(right), STRANGER) == "let in"


def test_what_is_no_token_is_not_looked_up(monkeypatch):
    monkeypatch.setattr(authentication, "_is_known_token", lambda token: pytest.fail("it was looked up"))
    for given in ("", "Bearer ", "Bearer relais_short", "Bearer x" * 50, "Basic relais_" + "x" * 43):
        assert (
            outcome(TokenAuthentication(AuthenticationState()), raw(authorization=given), STRANGER)
            == "refused"
        )


def test_guesses_of_tokens_wait_for_one_another_and_for_nobody_else(twilio, monkeypatch):
    going_on, asked = threading.Event(), []

    def slow(token):
        asked.append(token)
        return going_on.wait(30) and False

    monkeypatch.setattr(authentication, "_is_known_token", slow)
    bearer = {"Authorization": "Bearer relais_" + "x" * 43}

    def guess():
        type(twilio)(twilio.desk).calls("/api/twilio/send-message", {}, headers=bearer, signed=False)

    guessing = [threading.Thread(target=guess) for _ in range(6)]
    try:
        for one in guessing:
            one.start()
        wait_until(lambda: asked)
        assert twilio.calls("/api/twilio/complete", {"conversation_id": "1"}).status_code == 404
        assert len(asked) == 1
    finally:
        going_on.set()
        for one in guessing:
            one.join()
