"""The send API: a program of the company writes to a client, with a token and an idempotency key."""

from datetime import timedelta

import pytest
from django.utils import timezone

from relais.accounts.models import ApiToken
from relais.conversations.events import BOT
from relais.conversations.models import Conversation, ConversationEvent
from tests.cast import FATOU, messages_to_client

from .conftest import STUDIO_CREDENTIALS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def crm_token(db):
    return {"Authorization": f"Bearer {ApiToken.create('CRM')[1]}"}


def post_message(twilio, crm_token, **params):
    return twilio.call("/api/twilio/send-message", params, headers=crm_token, signed=False)


@pytest.fixture
def open_conversation(fatou_sends):
    fatou_sends()
    return Conversation.objects.get()


def test_a_program_writes_to_a_client(twilio, crm_token, open_conversation):
    response = post_message(
        twilio, crm_token, phone_number="+212 600-000001", message="Votre voiture est prête."
    )
    event = ConversationEvent.objects.get(event_type="message_sent")
    assert response.json() == {"success": True, "event_id": event.pk, "conversation_id": open_conversation.pk}
    assert (event.author_kind, event.author_name) == ("api", "CRM")


def test_a_repeated_ref_sends_one_message(twilio, crm_token, open_conversation):
    first = post_message(twilio, crm_token, phone_number=FATOU, message="Prête", ref="order-7").json()
    assert post_message(twilio, crm_token, phone_number=FATOU, message="Prête", ref="order-7").json() == first
    assert messages_to_client(open_conversation) == ["Prête"]


def test_a_repeated_ref_sends_one_message_even_after_the_end(twilio, crm_token, open_conversation):
    first = post_message(twilio, crm_token, phone_number=FATOU, message="Prête", ref="order-7").json()
    open_conversation.complete(by=BOT, at=timezone.now())
    assert post_message(twilio, crm_token, phone_number=FATOU, message="Prête", ref="order-7").json() == first
    assert Conversation.objects.count() == 1


@pytest.mark.parametrize(("state", "word"), [("expires_at", "expiré"), ("revoked_at", "révoqué")])
def test_an_expired_or_revoked_token_is_rejected_with_its_state(
    twilio, crm_token, open_conversation, state, word
):
    ApiToken.objects.update(**{state: timezone.now()})
    response = post_message(twilio, crm_token, phone_number=FATOU, message="Prête")
    assert response.status_code == 403
    assert word in response.json()["error"]
    assert messages_to_client(open_conversation) == []


def test_a_token_is_valid_until_it_expires(twilio, crm_token, open_conversation):
    ApiToken.objects.update(expires_at=timezone.now() + timedelta(days=1))
    assert post_message(twilio, crm_token, phone_number=FATOU, message="Prête").status_code == 200


def test_the_use_of_a_token_is_recorded_once_a_minute(twilio, crm_token, open_conversation):
    post_message(twilio, crm_token, phone_number=FATOU, message="Prête")
    token = ApiToken.objects.get()
    first = token.last_used_at
    assert first is not None
    post_message(twilio, crm_token, phone_number=FATOU, message="Prête")
    token.refresh_from_db()
    assert token.last_used_at == first
    token.record_use(at=first + timedelta(seconds=61))
    token.refresh_from_db()
    assert token.last_used_at == first + timedelta(seconds=61)


def test_a_program_is_refused_while_an_agent_holds_the_conversation(
    twilio, crm_token, open_conversation, awa
):
    open_conversation.take_over(awa, at=timezone.now())
    response = post_message(twilio, crm_token, phone_number=FATOU, message="Prête")
    assert (response.status_code, response.json()["agent"]) == (409, "Awa Diop")


@pytest.mark.parametrize(
    ("params", "status", "field"),
    [
        ({"message": "x"}, 422, "phone_number"),
        ({"phone_number": FATOU}, 422, "message"),
        ({"phone_number": "bonjour", "message": "x"}, 422, "phone_number"),
        ({"phone_number": FATOU, "message": "x" * 1601}, 422, "message"),
        ({"phone_number": "+33600000000", "message": "jamais écrit"}, 422, "phone_number"),
        ({"phone_number": FATOU, "message": "x", "ref": "r" * 65}, 422, "ref"),
    ],
)
def test_invalid_parameters_are_named(twilio, crm_token, open_conversation, params, status, field):
    response = post_message(twilio, crm_token, **params)
    assert (response.status_code, list(response.json()["errors"])) == (status, [field])


def test_a_call_without_a_valid_token_is_rejected(twilio, open_conversation):
    for header in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer "}, STUDIO_CREDENTIALS):
        assert post_message(twilio, header, phone_number=FATOU, message="x").status_code == 403
