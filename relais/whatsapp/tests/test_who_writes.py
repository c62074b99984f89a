"""One person under several addresses, and one who wants no messages, as Twilio tells of them."""

from dataclasses import replace

import pytest

from relais.accounts.models import ApiToken
from relais.clients.models import Client, OptOut
from relais.conversations.errors import CannotSend
from relais.conversations.models import Conversation, ConversationEvent
from relais.whatsapp.inbound.messages import parse_message
from relais.whatsapp.inbound.params import clean_params
from tests.cast import FATOU, IBRAHIM, OUR_NUMBER

from .conftest import inbound

pytestmark = pytest.mark.django_db(transaction=True)
USER_ID = "whatsapp:FI.9xY"
OTHER_NUMBER = "whatsapp:+14155238887"


def parsed(**params):
    given = inbound() | params
    return parse_message(clean_params({name: [value] for name, value in given.items()}), bot_here=True)


# -- several addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["FI.9xY", "whatsapp:FI.9xY", " FI.9xY "])
def test_a_number_s_message_names_the_id_of_its_writer(given):
    assert parsed(ExternalUserId=given).other_address == USER_ID


def test_an_id_s_message_names_the_number():
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
def test_what_is_no_id_of_a_person_names_nobody(params):
    assert parsed(**params).other_address == ""


def test_a_held_client_who_hides_his_number_stays_with_his_agent(fatou_sends, awa):
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
    return lambda **params: twilio.calls("/api/twilio/send-message", params, headers=crm, signed=False)


def test_send_message_finds_a_client_by_each_form_of_his_number(sends, fatou_sends):
    fatou_sends("Hola", From="whatsapp:+5215512345678", WaId="5215512345678")
    conversation = Conversation.objects.get()
    for n, form in enumerate(("+5215512345678", "+525512345678", "whatsapp:+52 55 1234 5678")):
        for named in ({}, {"conversation_id": str(conversation.pk)}):
            answer = sends(phone_number=form, message=f"{n} {named}", **named)
            assert (answer.status_code, answer.json()["conversation_id"]) == (200, conversation.pk)
    assert {delivery.recipient for delivery in conversation.deliveries.all()} == {"whatsapp:+5215512345678"}


def test_send_message_finds_a_client_by_his_id_as_by_his_number(sends, fatou_sends):
    fatou_sends("Bonjour", ExternalUserId="FI.9xY")
    for address in (FATOU, USER_ID):
        assert sends(phone_number=address, message=f"à {address}").status_code == 200
    assert Conversation.objects.count() == 1


def test_a_test_message_goes_to_the_form_the_client_writes_from(double, fatou_sends):
    from relais.whatsapp.client import send_test

    fatou_sends("Hola", From="whatsapp:+5215512345678", WaId="5215512345678")
    send_test("+52 55 1234 5678", "essai")
    double.wait_for(lambda: double.accepted(to="whatsapp:+5215512345678"))


# -- who wants no messages ---------------------------------------------------------------------------


@pytest.fixture
def may_be_told(awa):
    """Whether a client may be written to by one of our numbers."""

    def asks(address=FATOU, sender=OUR_NUMBER):
        conversation = Conversation.objects.get(client__addresses__address=address, sender=sender)
        try:
            conversation._check_window(conversation.last_activity_at)
        except CannotSend as refusal:
            assert refusal.code == "opted_out"
            return False
        return True

    return asks


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
def test_a_stop_to_one_of_our_numbers_does_not_silence_the_other(fatou_sends, may_be_told, stop):
    fatou_sends("Bonjour")
    fatou_sends("Bonjour", To=OTHER_NUMBER)
    fatou_sends("Bonjour", From=IBRAHIM, WaId="2250700000002")
    fatou_sends(**{"text": stop["Body"]} | stop)
    assert not may_be_told()
    assert may_be_told(sender=OTHER_NUMBER)
    assert may_be_told(IBRAHIM)
    assert [(opt_out.address.address, opt_out.sender) for opt_out in OptOut.objects.all()] == [
        (FATOU, OUR_NUMBER)
    ]


@pytest.mark.parametrize(
    "text", ["Stop, je voulais dire 3", "stopper", "fin", "end", "cancel", "non", "arrêtez ça"]
)
def test_an_answer_that_only_sounds_like_it_silences_nobody(fatou_sends, may_be_told, text):
    fatou_sends(text)
    assert may_be_told()


def test_a_start_opens_again_for_that_number_of_ours_only(fatou_sends, may_be_told):
    for number in (OUR_NUMBER, OTHER_NUMBER):
        fatou_sends("STOP", To=number, OptOutType="STOP")
    fatou_sends("START", OptOutType="START")
    assert may_be_told()
    assert not may_be_told(sender=OTHER_NUMBER)
    assert Conversation.objects.first().address.opted_out_at, "set while one of our numbers is refused"
    fatou_sends("Me revoilà", To=OTHER_NUMBER)
    assert may_be_told(sender=OTHER_NUMBER)
    assert not Conversation.objects.first().address.opted_out_at


def test_help_changes_nothing(fatou_sends, may_be_told):
    fatou_sends("HELP", OptOutType="HELP")
    assert may_be_told()
    fatou_sends("STOP", OptOutType="STOP")
    fatou_sends("AIDE", OptOutType="HELP")
    assert not may_be_told()


def test_in_one_batch_the_last_word_counts(fatou_sends, may_be_told, clock):
    from relais.conversations.inbound import ingest

    ingest([parsed(Body=text, MessageSid=f"SM{text}") for text in ("STOP", "Bonjour")], at=clock.now)
    assert may_be_told()
    ingest([parsed(Body=text, MessageSid=f"SM2{text}") for text in ("Bonjour", "STOP")], at=clock.now)
    assert not may_be_told()


def test_a_stop_that_comes_late_does_not_undo_what_was_written_since(fatou_sends, may_be_told, clock):
    from relais.conversations.inbound import ingest

    stop = replace(parsed(Body="STOP"), occurred_at=clock.now)
    ingest([parsed(Body="Bonjour")], at=clock.passes(minutes=5))
    ingest([stop], at=clock.passes(minutes=5))
    assert may_be_told()


def test_what_twilio_refuses_marks_that_pair(fatou_sends, twilio, may_be_told, awa):
    for number in (OUR_NUMBER, OTHER_NUMBER):
        fatou_sends("Bonjour", To=number)
    conversation = Conversation.objects.get(sender=OUR_NUMBER)
    at = conversation.last_inbound_at
    conversation.take_over(awa, at=at)
    delivery = conversation.deliveries.get()
    assert delivery.claim(by="here", at=at)
    failed = {"MessageSid": "SM" + "9" * 32, "MessageStatus": "failed", "ErrorCode": "21610", "To": FATOU}
    assert twilio.calls(f"/api/twilio/status?ref={delivery.pk}", failed).status_code == 204
    assert not may_be_told()
    assert may_be_told(sender=OTHER_NUMBER)


def test_the_bot_gets_the_word_as_it_was_written(fatou_sends):
    fatou_sends("STOP", OptOutType="STOP")
    event = ConversationEvent.objects.get(event_type="message_received")
    assert (event.body, event.metadata["parameters"]["OptOutType"]) == ("STOP", "STOP")


def test_an_opt_out_that_another_program_wrote_counts_for_all_our_numbers(fatou_sends, may_be_told, clock):
    for number in (OUR_NUMBER, OTHER_NUMBER):
        fatou_sends("Bonjour", To=number)
    Client.objects.get().addresses.update(opted_out_at=clock.now)
    assert not may_be_told()
    assert not may_be_told(sender=OTHER_NUMBER)
