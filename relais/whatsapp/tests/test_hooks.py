"""The request pipeline of a hook: which calls are rejected, in which order, and with which response."""

import pytest
from django.conf import settings
from django.db import OperationalError

from relais.conversations.models import Conversation
from relais.whatsapp import connection_status

from .conftest import STUDIO_CREDENTIALS, message_params

pytestmark = pytest.mark.django_db(transaction=True)
HOOKS = [
    "message",
    "status",
    "incoming",
    "menu-choice",
    "free-input",
    "agent-transfer",
    "complete",
    "send-message",
]


@pytest.mark.parametrize("hook", HOOKS)
def test_only_post_is_allowed(twilio, hook):
    for method in ("get", "put", "delete"):
        response = twilio.http.request(method, f"{twilio.desk}/api/twilio/{hook}", timeout=30)
        assert (response.status_code, response.headers["Allow"]) == (405, "POST")
        assert response.json()["success"] == "false"


@pytest.mark.parametrize("hook", HOOKS)
def test_a_large_body_is_rejected_before_it_is_read(twilio, hook):
    response = twilio.post(f"/api/twilio/{hook}", b"x" * (256 * 1024 + 1))
    assert response.status_code == 413


def test_a_large_chunked_body_is_rejected(twilio):
    response = twilio.post("/api/twilio/message", (b"x" * 1024 for _ in range(300)))
    assert response.status_code == 413


@pytest.mark.parametrize("hook", HOOKS)
def test_unsigned_calls_are_rejected_and_counted(twilio, hook):
    before = connection_status.rejected_signatures.count
    response = twilio.call(f"/api/twilio/{hook}", {}, signed=False)
    assert (response.status_code, response.json()["success"]) == (403, "false")
    assert connection_status.rejected_signatures.count == before + 1
    assert Conversation.objects.count() == 0


def test_a_signature_for_another_url_or_token_is_rejected(twilio):
    twilio.base = "https://elsewhere.example"
    assert twilio.call("/api/twilio/message", message_params()).status_code == 403
    twilio.base, twilio.token = settings.PUBLIC_BASE_URL, "guess"
    assert twilio.call("/api/twilio/message", message_params()).status_code == 403
    twilio.token = settings.ENVIRONMENT.twilio_auth_token_secondary
    assert twilio.call("/api/twilio/message", message_params()).status_code == 200


def test_the_secret_is_valid_for_studio_s_hooks_only(twilio):
    assert (
        twilio.call(
            "/api/twilio/incoming", message_params(), headers=STUDIO_CREDENTIALS, signed=False
        ).status_code
        == 200
    )
    for hook in ("message", "status", "send-message"):
        assert (
            twilio.call(
                f"/api/twilio/{hook}", message_params(), headers=STUDIO_CREDENTIALS, signed=False
            ).status_code
            == 403
        )


def test_fields_are_checked_after_the_signature(twilio):
    response = twilio.call("/api/twilio/message", {"Body": "sans expéditeur"})
    assert response.status_code == 422
    body = response.json()
    assert body["success"] == "false"
    assert set(body["errors"]) == {"From", "MessageSid"}
    assert all(isinstance(sentences, list) for sentences in body["errors"].values())


def test_an_invalid_address_is_named(twilio):
    response = twilio.call("/api/twilio/incoming", message_params(From="pas un numéro"))
    assert (response.status_code, list(response.json()["errors"])) == (422, ["From"])


@pytest.mark.parametrize("given", ["", "abc", "1.5", "1e3", "--5", "-", "٣", "5_0"])
def test_an_id_that_is_not_an_integer_is_422_and_an_unknown_one_404(twilio, given):
    assert twilio.call("/api/twilio/complete", {"conversation_id": given}).status_code == 422
    for unknown in ("999999", "-1", "9" * 40, "9" * 5000):
        assert twilio.call("/api/twilio/complete", {"conversation_id": unknown}).status_code == 404


def test_a_sid_longer_than_any_of_twilio_is_422(twilio):
    """It would not fit into its index, and after a 503 Twilio would send it again."""
    response = twilio.call("/api/twilio/incoming", message_params(MessageSid="SM" + "0123456789abcdef" * 600))
    assert (response.status_code, list(response.json()["errors"])) == (422, ["MessageSid"])


def test_all_missing_fields_are_named_at_once(twilio):
    response = twilio.call("/api/twilio/free-input", {})
    assert set(response.json()["errors"]) == {"conversation_id", "user_input", "widget_name"}


def test_a_database_error_is_503_without_its_text(twilio, monkeypatch):
    from relais.whatsapp.inbound import handlers

    def unavailable(*args, **kwargs):
        raise OperationalError("connection to server at 10.0.0.1 failed")

    monkeypatch.setattr(handlers, "ingest", unavailable)
    response = twilio.call("/api/twilio/message", message_params())
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert "10.0.0.1" not in response.text


def test_an_unexpected_error_is_500_without_its_text(twilio, monkeypatch):
    from relais.whatsapp.inbound import handlers

    monkeypatch.setattr(handlers, "ingest", lambda *a, **k: 1 / 0)
    response = twilio.call("/api/twilio/message", message_params())
    assert response.status_code == 500
    assert "division" not in response.text
