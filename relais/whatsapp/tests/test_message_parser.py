"""Inbound messages: parsing of their parameters, several addresses of one person, opt-out and opt-in."""

import hashlib
import json
from dataclasses import replace

import pytest
from twilio.request_validator import RequestValidator

from relais.accounts.models import ApiToken
from relais.clients.models import Client, OptOut
from relais.conversations.errors import CannotSend
from relais.conversations.models import Conversation, ConversationEvent
from relais.whatsapp.inbound.message_parser import parse_message
from relais.whatsapp.inbound.params import clean_params
from tests.cast import FATOU, IBRAHIM, OUR_NUMBER, messages_to_client

from .conftest import STUDIO_CREDENTIALS, message_params

pytestmark = pytest.mark.django_db(transaction=True)
USER_ID = "whatsapp:FI.9xY"
OTHER_NUMBER = "whatsapp:+14155238887"


def parsed(**params):
    given = message_params() | params
    return parse_message(clean_params({name: [value] for name, value in given.items()}), bot_here=True)


# -- parameters -------------------------------------------------------------------------------------


def test_a_message_is_stored_and_answered_with_empty_twiml(fatou_sends):
    answer = fatou_sends("mercedes")
    assert (answer.status_code, answer.text) == (200, "<Response/>")
    assert answer.headers["content-type"].startswith("text/xml")
    event = ConversationEvent.objects.get()
    assert (event.body, event.author_name) == ("mercedes", "Fatou 🌸")
    assert event.metadata["parameters"]["WaId"] == "212600000001"


def test_unknown_and_repeated_parameters_are_stored(twilio):
    pairs = [*message_params().items(), ("New", ""), ("Tag", "b"), ("Tag", "a"), ("Tag", "b")]
    assert twilio.call("/api/twilio/message", pairs).status_code == 200
    stored = ConversationEvent.objects.get().metadata["parameters"]
    assert (stored["New"], stored["Tag"]) == ("", ["b", "a", "b"])


def test_the_query_string_is_signed_too(twilio):
    assert twilio.call("/api/twilio/message?a=%20b&c=", message_params()).status_code == 200


@pytest.mark.parametrize("form", ["whatsapp:+212600000001", "WhatsApp: 212 600 00 00 01", "+212-600-000-001"])
def test_an_address_is_stored_in_its_canonical_form(fatou_sends, form):
    fatou_sends(From=form)
    assert Conversation.objects.get().address.address == FATOU


def test_a_user_id_instead_of_a_number_is_stored_unchanged(fatou_sends):
    fatou_sends(From="whatsapp:US.13491208655302741918")
    address = Conversation.objects.get().address
    assert (address.address, address.phone_number) == ("whatsapp:US.13491208655302741918", None)


def test_without_to_our_configured_number_is_assumed(twilio):
    params = message_params()
    del params["To"]
    twilio.call("/api/twilio/message", params)
    assert Conversation.objects.get().sender == OUR_NUMBER


def test_nul_is_removed_and_recorded(fatou_sends):
    fatou_sends("a\x00b", Odd="\x00")
    event = ConversationEvent.objects.get()
    assert (event.body, event.metadata["cleaned"]) == ("ab", True)


def test_a_json_message_may_contain_any_values(twilio):
    params = message_params("") | {
        "Body": "a\x00\ud800b",
        "Nested": {"x": [1, None]},
        "Number": 5,
        "Nothing": None,
    }
    body = json.dumps(params).encode()
    path = f"/api/twilio/message?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = RequestValidator(twilio.token).compute_signature(twilio.base + path, {})
    headers = {"Content-Type": "application/json", "X-Twilio-Signature": signature}
    assert twilio.post(path, body, headers).status_code == 200
    event = ConversationEvent.objects.get()
    assert event.body == "a?b"
    assert (
        event.metadata["parameters"] | {"Nested": '{"x": [1, null]}', "Number": "5", "Nothing": ""}
        == (event.metadata["parameters"])
    )


@pytest.mark.parametrize("body", [b"[1]", b"{", b'"x"', b"\xff"])
def test_json_that_is_not_an_object_is_422(twilio, body):
    answer = twilio.post(
        "/api/twilio/incoming", body, {"Content-Type": "application/json"} | STUDIO_CREDENTIALS
    )
    assert answer.status_code == 422


def test_media_without_a_url_are_ignored(fatou_sends):
    fatou_sends("", NumMedia="3", MediaUrl0="https://api.twilio.com/a", MediaContentType0="image/jpeg")
    event = ConversationEvent.objects.get()
    assert [(m.url, m.declared_type) for m in event.media.all()] == [
        ("https://api.twilio.com/a", "image/jpeg")
    ]
    assert "MediaUrl0" not in event.metadata["parameters"]


def test_a_tapped_button_is_stored_with_its_label(fatou_sends):
    fatou_sends("", ButtonText="Prendre rendez-vous", ButtonPayload="rdv")
    assert ConversationEvent.objects.get().body == "Prendre rendez-vous"


def test_the_waiting_text_is_sent_only_where_the_bot_runs_here(waiting, twilio):
    Conversation.objects.update(last_activity_at="2026-03-01T00:00:00Z")
    answer = twilio.call("/api/twilio/incoming", message_params()).json()
    assert answer["waiting_due"] == "true"
    assert messages_to_client(waiting) == []


# -- several addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["FI.9xY", "whatsapp:FI.9xY", " FI.9xY "])
def test_a_message_from_a_number_names_its_user_id(given):
    assert parsed(ExternalUserId=given).other_address == USER_ID


def test_a_message_from_a_user_id_names_its_number():
    message = parsed(From=USER_ID, WaId="212600000001", ExternalUserId="FI.9xY")
    assert (message.address, message.other_address) == (USER_ID, FATOU)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"ExternalUserId": ""},
        {"ExternalUserId": "0"},
        {"ExternalUserId": "AC0123"},
        {"ExternalUserId": "+212600000009"},
        {"From": USER_ID, "WaId": ""},
        {"From": USER_ID, "WaId": "FI.9xY"},
        {"From": "whatsapp:FI.212600000001", "WaId": "212600000001"},
        {"From": "whatsapp:fatou.b", "WaId": "212600000001"},
    ],
)
def test_an_invalid_user_id_is_ignored(params):
    assert parsed(**params).other_address == ""


def test_a_client_who_hides_the_number_keeps_the_same_agent(fatou_sends, awa):
    fatou_sends("Bonjour", ExternalUserId="FI.9xY")
    held = Conversation.objects.get()
    held.take_over(awa, at=held.started_at)
    answer = fatou_sends(
        "C'est encore moi", path="/api/twilio/incoming", From=USER_ID, WaId="", ExternalUserId="FI.9xY"
    ).json()
    assert (answer["conversation_id"], answer["agent_mode"]) == (held.pk, "true")
    assert (answer["client_exists"], answer["phone_number"]) == ("true", "+212600000001")
    assert Conversation.objects.get().address.address == USER_ID


# -- the other form of a number ----------------------------------------------------------------------


@pytest.fixture
def sends(twilio):
    crm = {"Authorization": f"Bearer {ApiToken.create('CRM')[1]}"}
    return lambda **params: twilio.call("/api/twilio/send-message", params, headers=crm, signed=False)


def test_send_message_finds_a_client_by_each_form_of_the_number(sends, fatou_sends):
    fatou_sends("Hola", From="whatsapp:+5215512345678", WaId="5215512345678")
    conversation = Conversation.objects.get()
    for n, form in enumerate(("+5215512345678", "+525512345678", "whatsapp:+52 55 1234 5678")):
        for named in ({}, {"conversation_id": str(conversation.pk)}):
            answer = sends(phone_number=form, message=f"{n} {named}", **named)
            assert (answer.status_code, answer.json()["conversation_id"]) == (200, conversation.pk)
    assert {delivery.recipient for delivery in conversation.deliveries.all()} == {"whatsapp:+5215512345678"}


def test_send_message_finds_a_client_by_user_id_and_by_number(sends, fatou_sends):
    fatou_sends("Bonjour", ExternalUserId="FI.9xY")
    for address in (FATOU, USER_ID):
        assert sends(phone_number=address, message=f"à {address}").status_code == 200
    assert Conversation.objects.count() == 1


def test_a_test_message_goes_to_the_form_the_client_writes_from(double, fatou_sends):
    from relais.whatsapp.client import send_test

    fatou_sends("Hola", From="whatsapp:+5215512345678", WaId="5215512345678")
    send_test("+52 55 1234 5678", "essai")
    double.wait_for(lambda: double.accepted(to="whatsapp:+5215512345678"))


# -- opt-out and opt-in -----------------------------------------------------------------------------


@pytest.fixture
def may_be_written_to(awa):
    """Whether one of our numbers may send messages to a client."""

    def check(address=FATOU, sender=OUR_NUMBER):
        conversation = Conversation.objects.get(client__addresses__address=address, sender=sender)
        try:
            conversation._check_window(conversation.last_activity_at)
        except CannotSend as refusal:
            assert refusal.code == "opted_out"
            return False
        return True

    return check


@pytest.mark.parametrize(
    "stop",
    [
        {"Body": "STOP"},
        {"Body": " stop. "},
        {"Body": "Arrêt"},
        {"Body": "Unsubscribe"},
        {"Body": "baja", "OptOutType": "STOP"},
        {"Body": "", "OptOutType": "stop"},
    ],
)
def test_an_opt_out_of_one_of_our_numbers_leaves_the_other(fatou_sends, may_be_written_to, stop):
    fatou_sends("Bonjour")
    fatou_sends("Bonjour", To=OTHER_NUMBER)
    fatou_sends("Bonjour", From=IBRAHIM, WaId="2250700000002")
    fatou_sends(**{"text": stop["Body"]} | stop)
    assert not may_be_written_to()
    assert may_be_written_to(sender=OTHER_NUMBER)
    assert may_be_written_to(IBRAHIM)
    assert [(opt_out.address.address, opt_out.sender) for opt_out in OptOut.objects.all()] == [
        (FATOU, OUR_NUMBER)
    ]


@pytest.mark.parametrize(
    "text", ["Stop, je voulais dire 3", "stopper", "fin", "end", "cancel", "non", "arrêtez ça"]
)
def test_a_text_that_only_resembles_a_keyword_is_no_opt_out(fatou_sends, may_be_written_to, text):
    fatou_sends(text)
    assert may_be_written_to()


def test_an_opt_in_counts_for_that_number_of_ours_only(fatou_sends, may_be_written_to):
    for number in (OUR_NUMBER, OTHER_NUMBER):
        fatou_sends("STOP", To=number, OptOutType="STOP")
    fatou_sends("START", OptOutType="START")
    assert may_be_written_to()
    assert not may_be_written_to(sender=OTHER_NUMBER)
    assert Conversation.objects.first().address.opted_out_at, "set while one of our numbers is refused"
    fatou_sends("Me revoilà", To=OTHER_NUMBER)
    assert may_be_written_to(sender=OTHER_NUMBER)
    assert not Conversation.objects.first().address.opted_out_at


def test_help_changes_nothing(fatou_sends, may_be_written_to):
    fatou_sends("HELP", OptOutType="HELP")
    assert may_be_written_to()
    fatou_sends("STOP", OptOutType="STOP")
    fatou_sends("AIDE", OptOutType="HELP")
    assert not may_be_written_to()


def test_in_one_batch_the_last_keyword_counts(fatou_sends, may_be_written_to, clock):
    from relais.conversations.inbound import ingest

    ingest([parsed(Body=text, MessageSid=f"SM{text}") for text in ("STOP", "Bonjour")], at=clock.now)
    assert may_be_written_to()
    ingest([parsed(Body=text, MessageSid=f"SM2{text}") for text in ("Bonjour", "STOP")], at=clock.now)
    assert not may_be_written_to()


def test_a_late_opt_out_does_not_undo_a_later_message(fatou_sends, may_be_written_to, clock):
    from relais.conversations.inbound import ingest

    stop = replace(parsed(Body="STOP"), occurred_at=clock.now)
    ingest([parsed(Body="Bonjour")], at=clock.passes(minutes=5))
    ingest([stop], at=clock.passes(minutes=5))
    assert may_be_written_to()


def test_an_opt_out_error_of_twilio_counts_for_that_number_of_ours(
    fatou_sends, twilio, may_be_written_to, awa
):
    for number in (OUR_NUMBER, OTHER_NUMBER):
        fatou_sends("Bonjour", To=number)
    conversation = Conversation.objects.get(sender=OUR_NUMBER)
    at = conversation.last_inbound_at
    conversation.take_over(awa, at=at)
    delivery = conversation.deliveries.get()
    assert delivery.claim(by="here", at=at)
    failed = {"MessageSid": "SM" + "9" * 32, "MessageStatus": "failed", "ErrorCode": "21610", "To": FATOU}
    assert twilio.call(f"/api/twilio/status?ref={delivery.pk}", failed).status_code == 204
    assert not may_be_written_to()
    assert may_be_written_to(sender=OTHER_NUMBER)


def test_the_bot_gets_the_keyword_as_it_was_written(fatou_sends):
    fatou_sends("STOP", OptOutType="STOP")
    event = ConversationEvent.objects.get(event_type="message_received")
    assert (event.body, event.metadata["parameters"]["OptOutType"]) == ("STOP", "STOP")


def test_an_opt_out_written_by_another_program_counts_for_all_our_numbers(
    fatou_sends, may_be_written_to, clock
):
    for number in (OUR_NUMBER, OTHER_NUMBER):
        fatou_sends("Bonjour", To=number)
    Client.objects.get().addresses.update(opted_out_at=clock.now)
    assert not may_be_written_to()
    assert not may_be_written_to(sender=OTHER_NUMBER)
