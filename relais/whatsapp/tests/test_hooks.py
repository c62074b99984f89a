"""What Twilio and Studio are answered: who is refused and in what order, and every key of what they read."""

import base64
import hashlib
import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone
from twilio.request_validator import RequestValidator

from relais.accounts.models import ApiToken
from relais.clients.models import Client, ClientAddress
from relais.conversations.events import BOT
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.whatsapp import connection_status
from relais.whatsapp.inbound.status_callbacks import fail_delivery
from tests.cast import FATOU, OUR_NUMBER, event_types_of, messages_to_client, new_sid

from .conftest import inbound

pytestmark = pytest.mark.django_db(transaction=True)
STUDIO = {"Authorization": "Basic " + base64.b64encode(b"studio:studio-secret").decode()}
ALL = [
    "message",
    "status",
    "incoming",
    "menu-choice",
    "free-input",
    "agent-transfer",
    "complete",
    "send-message",
]


# -- who is refused, in this order -------------------------------------------------------------------


@pytest.mark.parametrize("hook", ALL)
def test_only_posts_are_heard(twilio, hook):
    for method in ("get", "put", "delete"):
        answer = twilio.http.request(method, f"{twilio.desk}/api/twilio/{hook}", timeout=10)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        assert answer.json()["success"] == "false"


@pytest.mark.parametrize("hook", ALL)
def test_too_much_is_refused_before_anything_is_read(twilio, hook):
    answer = twilio.posts(f"/api/twilio/{hook}", b"x" * (256 * 1024 + 1))
    assert answer.status_code == 413


def test_too_much_in_pieces_is_refused_too(twilio):
    answer = twilio.posts("/api/twilio/message", (b"x" * 1024 for _ in range(300)))
    assert answer.status_code == 413


@pytest.mark.parametrize("hook", ALL)
def test_the_unsigned_are_refused_and_counted(twilio, hook):
    before = connection_status.rejected_signatures.count
    answer = twilio.calls(f"/api/twilio/{hook}", {}, signed=False)
    assert (answer.status_code, answer.json()["success"]) == (403, "false")
    assert connection_status.rejected_signatures.count == before + 1
    assert Conversation.objects.count() == 0


def test_another_address_or_token_does_not_pass(twilio):
    twilio.base = "https://elsewhere.example"
    assert twilio.calls("/api/twilio/message", inbound()).status_code == 403
    twilio.base, twilio.token = settings.PUBLIC_BASE_URL, "guess"
    assert twilio.calls("/api/twilio/message", inbound()).status_code == 403
    twilio.token = settings.ENVIRONMENT.twilio_auth_token_secondary
    assert twilio.calls("/api/twilio/message", inbound()).status_code == 200


def test_the_secret_opens_only_studio_s_hooks(twilio):
    assert twilio.calls("/api/twilio/incoming", inbound(), headers=STUDIO, signed=False).status_code == 200
    for hook in ("message", "status", "send-message"):
        assert twilio.calls(f"/api/twilio/{hook}", inbound(), headers=STUDIO, signed=False).status_code == 403


def test_fields_are_checked_after_the_signature(twilio):
    answer = twilio.calls("/api/twilio/message", {"Body": "sans expéditeur"})
    assert answer.status_code == 422
    body = answer.json()
    assert body["success"] == "false"
    assert set(body["errors"]) == {"From", "MessageSid"}
    assert all(isinstance(sentences, list) for sentences in body["errors"].values())


def test_an_address_that_is_none_is_named(twilio):
    answer = twilio.calls("/api/twilio/incoming", inbound(From="pas un numéro"))
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["From"])


@pytest.mark.parametrize("given", ["", "abc", "1.5", "1e3", "--5", "-", "٣", "5_0"])
def test_an_id_that_is_no_number_is_422_and_an_unknown_one_404(twilio, given):
    assert twilio.calls("/api/twilio/complete", {"conversation_id": given}).status_code == 422
    for unknown in ("999999", "-1", "9" * 40, "9" * 5000):
        assert twilio.calls("/api/twilio/complete", {"conversation_id": unknown}).status_code == 404


def test_a_name_longer_than_any_of_twilios_is_422(twilio):
    """It would not fit into its index, and a 503 would ask for the same once more."""
    answer = twilio.calls("/api/twilio/incoming", inbound(MessageSid="SM" + "0123456789abcdef" * 600))
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["MessageSid"])


def test_all_that_is_missing_is_named_at_once(twilio):
    answer = twilio.calls("/api/twilio/free-input", {})
    assert set(answer.json()["errors"]) == {"conversation_id", "user_input", "widget_name"}


def test_what_cannot_be_stored_is_503_and_tells_nothing(twilio, monkeypatch):
    from relais.whatsapp.inbound import handlers

    def gone(*args, **kwargs):
        raise OperationalError("connection to server at 10.0.0.1 failed")

    monkeypatch.setattr(handlers, "ingest", gone)
    answer = twilio.calls("/api/twilio/message", inbound())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "10.0.0.1" not in answer.text


def test_a_fault_of_ours_is_500_and_tells_nothing(twilio, monkeypatch):
    from relais.whatsapp.inbound import handlers

    monkeypatch.setattr(handlers, "ingest", lambda *a, **k: 1 / 0)
    answer = twilio.calls("/api/twilio/message", inbound())
    assert answer.status_code == 500
    assert "division" not in answer.text


# -- /message ----------------------------------------------------------------------------------------


def test_a_message_is_stored_and_answered_with_nothing_to_say(fatou_sends):
    answer = fatou_sends("mercedes")
    assert (answer.status_code, answer.text) == (200, "<Response/>")
    assert answer.headers["content-type"].startswith("text/xml")
    event = ConversationEvent.objects.get()
    assert (event.body, event.author_name) == ("mercedes", "Fatou 🌸")
    assert event.metadata["parameters"]["WaId"] == "212600000001"


def test_unknown_and_repeated_parameters_are_kept(twilio):
    pairs = [*inbound().items(), ("New", ""), ("Tag", "b"), ("Tag", "a"), ("Tag", "b")]
    assert twilio.calls("/api/twilio/message", pairs).status_code == 200
    kept = ConversationEvent.objects.get().metadata["parameters"]
    assert (kept["New"], kept["Tag"]) == ("", ["b", "a", "b"])


def test_a_query_in_the_address_is_signed_too(twilio):
    assert twilio.calls("/api/twilio/message?a=%20b&c=", inbound()).status_code == 200


@pytest.mark.parametrize("form", ["whatsapp:+212600000001", "WhatsApp: 212 600 00 00 01", "+212-600-000-001"])
def test_an_address_has_one_form(fatou_sends, form):
    fatou_sends(From=form)
    assert Conversation.objects.get().address.address == FATOU


def test_a_name_instead_of_a_number_is_kept_as_it_is(fatou_sends):
    fatou_sends(From="whatsapp:US.13491208655302741918")
    address = Conversation.objects.get().address
    assert (address.address, address.phone_number) == ("whatsapp:US.13491208655302741918", None)


def test_without_to_it_was_written_to_our_number(twilio):
    params = inbound()
    del params["To"]
    twilio.calls("/api/twilio/message", params)
    assert Conversation.objects.get().sender == OUR_NUMBER


def test_nul_is_taken_out_and_noted(fatou_sends):
    fatou_sends("a\x00b", Odd="\x00")
    event = ConversationEvent.objects.get()
    assert (event.body, event.metadata["cleaned"]) == ("ab", True)


def test_a_json_message_may_hold_anything(twilio):
    params = inbound("") | {"Body": "a\x00\ud800b", "Nested": {"x": [1, None]}, "Number": 5, "Nothing": None}
    body = json.dumps(params).encode()
    path = f"/api/twilio/message?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = RequestValidator(twilio.token).compute_signature(twilio.base + path, {})
    headers = {"Content-Type": "application/json", "X-Twilio-Signature": signature}
    assert twilio.posts(path, body, headers).status_code == 200
    event = ConversationEvent.objects.get()
    assert event.body == "a?b"
    assert (
        event.metadata["parameters"] | {"Nested": '{"x": [1, null]}', "Number": "5", "Nothing": ""}
        == (event.metadata["parameters"])
    )


@pytest.mark.parametrize("body", [b"[1]", b"{", b'"x"', b"\xff"])
def test_json_that_is_no_object_is_422(twilio, body):
    answer = twilio.posts("/api/twilio/incoming", body, {"Content-Type": "application/json"} | STUDIO)
    assert answer.status_code == 422


def test_media_are_as_many_as_have_an_address(fatou_sends):
    fatou_sends("", NumMedia="3", MediaUrl0="https://api.twilio.com/a", MediaContentType0="image/jpeg")
    event = ConversationEvent.objects.get()
    assert [(m.url, m.declared_type) for m in event.media.all()] == [
        ("https://api.twilio.com/a", "image/jpeg")
    ]
    assert "MediaUrl0" not in event.metadata["parameters"]


def test_a_tapped_button_says_its_words(fatou_sends):
    fatou_sends("", ButtonText="Prendre rendez-vous", ButtonPayload="rdv")
    assert ConversationEvent.objects.get().body == "Prendre rendez-vous"


def test_the_waiting_text_is_ours_to_say_only_where_the_bot_is_ours(waiting, twilio):
    Conversation.objects.update(last_activity_at="2026-03-01T00:00:00Z")
    answer = twilio.calls("/api/twilio/incoming", inbound()).json()
    assert answer["waiting_due"] == "true"
    assert messages_to_client(waiting) == []


# -- /incoming ---------------------------------------------------------------------------------------

KEYS = (
    "success conversation_id session_id phone_number current_menu is_client client_full_name whatsapp_profile_name "
    "profile_name message status agent_mode pending_agent waiting_due has_media media_count client_exists "
    "client_has_name client_status_known"
).split()


def test_incoming_answers_every_key_each_time(twilio):
    answer = twilio.calls("/api/twilio/incoming", inbound("salam")).json()
    conversation = Conversation.objects.get()
    assert sorted(answer) == sorted(KEYS)
    assert answer | {"session_id": ""} == {
        "success": "true",
        "conversation_id": conversation.pk,
        "session_id": "",
        "phone_number": "+212600000001",
        "current_menu": "main_menu",
        "is_client": "",
        "client_full_name": "",
        "whatsapp_profile_name": "Fatou 🌸",
        "profile_name": "Fatou 🌸",
        "message": "salam",
        "status": "active",
        "agent_mode": "false",
        "pending_agent": "false",
        "waiting_due": "false",
        "has_media": "false",
        "media_count": 0,
        "client_exists": "false",
        "client_has_name": "false",
        "client_status_known": "false",
    }


def test_incoming_is_answered_the_same_when_repeated(twilio):
    params = inbound()
    first = twilio.calls("/api/twilio/incoming", params).json()
    assert twilio.calls("/api/twilio/incoming", params).json() == first
    assert twilio.calls("/api/twilio/incoming", inbound()).json()["client_exists"] == "true"


def test_incoming_tells_who_has_the_conversation(twilio, waiting, awa, clock):
    answer = twilio.calls("/api/twilio/incoming", inbound()).json()
    assert (answer["pending_agent"], answer["agent_mode"], answer["status"]) == (
        "true",
        "false",
        "transferred",
    )
    waiting.take_over(awa, at=clock.now)
    answer = twilio.calls("/api/twilio/incoming", inbound()).json()
    assert (answer["pending_agent"], answer["agent_mode"], answer["waiting_due"]) == (
        "false",
        "true",
        "false",
    )


def test_incoming_counts_media(twilio):
    params = inbound(NumMedia="1", MediaUrl0="https://api.twilio.com/a", MediaContentType0="image/png")
    answer = twilio.calls("/api/twilio/incoming", params).json()
    assert (answer["has_media"], answer["media_count"]) == ("true", 1)


# -- the other hooks of Studio -----------------------------------------------------------------------


def test_menu_choices_make_a_path(twilio, with_bot):
    call = lambda **p: twilio.calls("/api/twilio/menu-choice", {"conversation_id": str(with_bot.pk)} | p)  # noqa: E731
    call(menu_choice="vehicules_neufs", user_input="1")
    answer = call(menu_choice="essai", user_input="2").json()
    assert answer == {"success": "true", "current_menu": "essai", "menu_path": ["vehicules_neufs", "essai"]}
    assert [e.body for e in with_bot.events.filter(event_type="menu_choice")] == ["1", "2"]
    assert call(user_input="3").status_code == 422


def test_a_repeated_menu_choice_changes_nothing(twilio, with_bot):
    params = {
        "conversation_id": with_bot.pk,
        "menu_choice": "sav",
        "user_input": "2",
        "message_sid": new_sid(),
    }
    first = twilio.calls("/api/twilio/menu-choice", params).json()
    assert twilio.calls("/api/twilio/menu-choice", params).json() == first
    assert event_types_of(with_bot).count("menu_choice") == 1


@pytest.mark.parametrize(
    ("name", "given", "field", "value"),
    [
        ("collect_name", " Fatou Diallo ", "client_full_name", "Fatou Diallo"),
        ("nom_prenom", "Fatou Diallo", "client_full_name", "Fatou Diallo"),
        ("collect_email", "f@example.com", "email", "f@example.com"),
        ("collect_vin", "WDB123", "vin", "WDB123"),
        ("carte_vip", "VIP-7", "carte_vip", "VIP-7"),
        ("check_client", "OUI", "is_client", True),
        ("is_client", "2", "is_client", False),
    ],
)
def test_free_inputs_fill_the_client_s_fields(twilio, with_bot, name, given, field, value):
    params = {"conversation_id": with_bot.pk, "user_input": given, "widget_name": name}
    assert twilio.calls("/api/twilio/free-input", params).json() == {"success": "true", "stored": "true"}
    assert getattr(Client.objects.get(), field) == value


def test_any_other_input_becomes_an_attribute(twilio, with_bot):
    params = {"conversation_id": with_bot.pk, "user_input": "GLE 300", "widget_name": "modele"}
    twilio.calls("/api/twilio/free-input", params)
    assert Client.objects.get().attributes == {"modele": "GLE 300"}


def test_a_known_name_is_not_replaced_and_maybe_is_no_answer(twilio, with_bot):
    Client.objects.update(client_full_name="Fatou Diallo")
    for name, given in (("collect_name", "X"), ("check_client", "peut-être"), ("email", " ")):
        params = {"conversation_id": with_bot.pk, "user_input": given, "widget_name": name}
        assert twilio.calls("/api/twilio/free-input", params).json()["stored"] == "false"
    client = Client.objects.get()
    assert (client.client_full_name, client.is_client, client.email) == ("Fatou Diallo", None, "")


def test_late_choices_and_inputs_are_kept_with_the_ended_conversation(twilio, ended):
    choice = {"conversation_id": ended.pk, "menu_choice": "sav", "user_input": "2"}
    given = {"conversation_id": ended.pk, "user_input": "x", "widget_name": "note"}
    assert twilio.calls("/api/twilio/menu-choice", choice).json()["success"] == "true"
    assert twilio.calls("/api/twilio/free-input", given).json()["success"] == "true"
    ended.refresh_from_db()
    assert ended.status == "completed"
    assert event_types_of(ended)[-2:] == ["menu_choice", "free_input"]


def test_agent_transfer(twilio, with_bot):
    params = {"conversation_id": with_bot.pk, "reason": "le client le demande"}
    for _again in range(2):
        answer = twilio.calls("/api/twilio/agent-transfer", params).json()
        assert answer.pop("message")
        assert answer == {"success": "true", "transferred": "true", "status": "transferred"}
    assert event_types_of(with_bot).count("agent_transfer") == 1


def test_agent_transfer_after_the_end_is_no_error_of_http(twilio, ended):
    answer = twilio.calls("/api/twilio/agent-transfer", {"conversation_id": ended.pk, "reason": ""})
    assert answer.status_code == 200
    assert (answer.json()["success"], answer.json()["transferred"]) == ("true", "false")


def test_complete(twilio, with_bot):
    answer = twilio.calls("/api/twilio/complete", {"conversation_id": with_bot.pk}).json()
    assert (answer["success"], answer["completed"], answer["status"]) == ("true", "true", "completed")
    assert isinstance(answer["duration_seconds"], int)
    assert twilio.calls("/api/twilio/complete", {"conversation_id": with_bot.pk}).json() == answer


def test_complete_while_an_agent_holds(twilio, held_by_awa):
    answer = twilio.calls("/api/twilio/complete", {"conversation_id": held_by_awa.pk}).json()
    assert (answer["success"], answer["completed"], answer["status"]) == ("true", "false", "transferred")


# -- /status -----------------------------------------------------------------------------------------


@pytest.fixture
def leaving(held_by_awa, clock):
    delivery = held_by_awa.deliveries.get()
    assert delivery.claim(by="p", at=clock.now)
    return delivery


def tells(twilio, status, *, ref="", sid="SM" + "a" * 32, **more):
    params = {"MessageSid": sid, "MessageStatus": status, "To": FATOU, "From": OUR_NUMBER} | more
    answer = twilio.calls("/api/twilio/status" + (f"?ref={ref}" if ref else ""), params)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("told", [["sent", "delivered", "read"], ["read", "sent", "delivered"], ["read"]])
def test_ticks_in_any_order_end_right(twilio, leaving, told):
    for status in told:
        tells(twilio, status, ref=leaving.pk)
    leaving.refresh_from_db()
    assert (leaving.state, leaving.sid) == ("read", "SM" + "a" * 32)


def test_a_status_with_our_ref_resolves_a_doubt(twilio, leaving, clock):
    leaving.mark_uncertain(at=clock.now, error="?")
    tells(twilio, "sent", ref=leaving.pk)
    leaving.refresh_from_db()
    assert leaving.state == "sent"


def test_a_closed_window_is_told_in_words(twilio, leaving, clock):
    leaving.mark_sent("SM" + "a" * 32, at=clock.now)
    tells(twilio, "undelivered", ErrorCode="63016")
    leaving.refresh_from_db()
    assert (leaving.state, leaving.error_code) == ("failed", 63016)
    assert "24 h" in leaving.error


def test_a_client_who_blocked_us_is_left_alone_from_then_on(twilio, leaving, clock):
    leaving.mark_sent("SM" + "a" * 32, at=clock.now)
    tells(twilio, "failed", ErrorCode="63014")
    assert Conversation.objects.get().address.opted_out_at


def test_a_repeated_failure_does_not_mute_who_has_written_since(twilio, leaving, fatou_sends, clock):
    leaving.mark_sent("SM" + "a" * 32, at=clock.now)
    tells(twilio, "failed", ErrorCode="63014")
    fatou_sends("Me revoilà")
    tells(twilio, "failed", ErrorCode="63014")
    assert not Conversation.objects.get().address.opted_out_at


@pytest.mark.parametrize("ref", ["", "0", "999999", "x", "9" * 40, "-1"])
def test_a_status_of_nothing_we_know_does_no_harm(twilio, leaving, ref):
    tells(twilio, "delivered", ref=ref, sid="SM" + "b" * 32)
    leaving.refresh_from_db()
    assert leaving.state == "sending"


def test_a_ref_of_another_client_s_message_is_not_believed(twilio, leaving):
    tells(twilio, "delivered", ref=leaving.pk, To="whatsapp:+2250700000000")
    leaving.refresh_from_db()
    assert leaving.state == "sending"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("whatsapp:+5215512345678", "whatsapp:+525512345678"),
        ("whatsapp:+541112345678", "whatsapp:+5491112345678"),
        ("whatsapp:+551187654321", "whatsapp:+5511987654321"),
        ("whatsapp:+22507123456", "whatsapp:+2250707123456"),
    ],
)
def test_a_status_that_names_the_client_by_the_other_form_of_his_number_counts(
    twilio, fatou_writes, awa, clock, address, told
):
    conversation = fatou_writes(address=address)
    conversation.take_over(awa, at=clock.now)
    delivery = conversation.deliveries.get()
    assert delivery.claim(by="p", at=clock.now)
    tells(twilio, "delivered", ref=delivery.pk, To=told)
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_a_status_that_names_the_client_by_another_address_of_his_counts(twilio, leaving, clock):
    other = "whatsapp:MA.13491208655302741918"
    tells(twilio, "sent", ref=leaving.pk, To=other)
    leaving.refresh_from_db()
    assert leaving.state == "sending", "nobody knows whose it is"
    ClientAddress.objects.create(
        client=leaving.conversation.address.client, address=other, created_at=clock.now
    )
    tells(twilio, "sent", ref=leaving.pk, To=other)
    leaving.refresh_from_db()
    assert leaving.state == "sent"


def test_a_callback_address_that_twilio_refuses_is_told_in_words(held_by_awa, clock):
    delivery = held_by_awa.deliveries.get()
    fail_delivery(delivery, code=21609, at=clock.now)
    assert "PUBLIC_BASE_URL" in delivery.error


def test_each_move_of_a_delivery_raises_rev(twilio, leaving):
    for status in ("sent", "delivered", "delivered"):
        tells(twilio, status, ref=leaving.pk)
    before, leaving_rev = leaving.rev, MessageDelivery.objects.get(pk=leaving.pk).rev
    assert leaving_rev == before + 2 == Conversation.objects.get().rev


# -- /send-message -----------------------------------------------------------------------------------


@pytest.fixture
def crm(db):
    return {"Authorization": f"Bearer {ApiToken.create('CRM')[1]}"}


def asks(twilio, crm, **params):
    return twilio.calls("/api/twilio/send-message", params, headers=crm, signed=False)


@pytest.fixture
def wrote_just_now(fatou_sends):
    fatou_sends()
    return Conversation.objects.get()


def test_a_program_writes_to_a_client(twilio, crm, wrote_just_now):
    answer = asks(twilio, crm, phone_number="+212 600-000001", message="Votre voiture est prête.")
    event = ConversationEvent.objects.get(event_type="message_sent")
    assert answer.json() == {"success": True, "event_id": event.pk, "conversation_id": wrote_just_now.pk}
    assert (event.author_kind, event.author_name) == ("api", "CRM")


def test_a_program_s_ref_says_it_once(twilio, crm, wrote_just_now):
    first = asks(twilio, crm, phone_number=FATOU, message="Prête", ref="order-7").json()
    assert asks(twilio, crm, phone_number=FATOU, message="Prête", ref="order-7").json() == first
    assert messages_to_client(wrote_just_now) == ["Prête"]


def test_a_program_s_ref_says_it_once_even_after_the_end(twilio, crm, wrote_just_now):
    first = asks(twilio, crm, phone_number=FATOU, message="Prête", ref="order-7").json()
    wrote_just_now.complete(by=BOT, at=timezone.now())
    assert asks(twilio, crm, phone_number=FATOU, message="Prête", ref="order-7").json() == first
    assert Conversation.objects.count() == 1


@pytest.mark.parametrize(("state", "word"), [("expires_at", "expiré"), ("revoked_at", "révoqué")])
def test_a_token_that_is_good_no_longer_is_told_so(twilio, crm, wrote_just_now, state, word):
    ApiToken.objects.update(**{state: timezone.now()})
    answer = asks(twilio, crm, phone_number=FATOU, message="Prête")
    assert answer.status_code == 403
    assert word in answer.json()["error"]
    assert messages_to_client(wrote_just_now) == []


def test_a_token_serves_until_it_expires(twilio, crm, wrote_just_now):
    ApiToken.objects.update(expires_at=timezone.now() + timedelta(days=1))
    assert asks(twilio, crm, phone_number=FATOU, message="Prête").status_code == 200


def test_the_use_of_a_token_is_noted_once_a_minute(twilio, crm, wrote_just_now):
    asks(twilio, crm, phone_number=FATOU, message="Prête")
    token = ApiToken.objects.get()
    first = token.last_used_at
    assert first is not None
    asks(twilio, crm, phone_number=FATOU, message="Prête")
    token.refresh_from_db()
    assert token.last_used_at == first
    token.record_use(at=first + timedelta(seconds=61))
    token.refresh_from_db()
    assert token.last_used_at == first + timedelta(seconds=61)


def test_a_program_is_muted_while_an_agent_holds(twilio, crm, wrote_just_now, awa):
    wrote_just_now.take_over(awa, at=timezone.now())
    answer = asks(twilio, crm, phone_number=FATOU, message="Prête")
    assert (answer.status_code, answer.json()["agent"]) == (409, "Awa Diop")


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
def test_a_program_s_mistakes_are_named(twilio, crm, wrote_just_now, params, status, field):
    answer = asks(twilio, crm, **params)
    assert (answer.status_code, list(answer.json()["errors"])) == (status, [field])


def test_a_program_without_token_is_refused(twilio, wrote_just_now):
    for header in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer "}, STUDIO):
        assert asks(twilio, header, phone_number=FATOU, message="x").status_code == 403
