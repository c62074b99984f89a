"""The hooks that Studio calls: every key of their answers, and what each one changes."""

import pytest

from relais.clients.models import Client
from relais.conversations.models import Conversation
from tests.cast import event_types_of, new_sid

from .conftest import message_params

pytestmark = pytest.mark.django_db(transaction=True)
# -- /incoming ---------------------------------------------------------------------------------------


def test_incoming_always_returns_every_key(twilio):
    answer = twilio.call("/api/twilio/incoming", message_params("salam")).json()
    conversation = Conversation.objects.get()
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


def test_a_repeated_incoming_gets_the_same_answer(twilio):
    params = message_params()
    first = twilio.call("/api/twilio/incoming", params).json()
    assert twilio.call("/api/twilio/incoming", params).json() == first
    assert twilio.call("/api/twilio/incoming", message_params()).json()["client_exists"] == "true"


def test_incoming_says_whether_an_agent_holds_the_conversation(twilio, waiting, awa, clock):
    answer = twilio.call("/api/twilio/incoming", message_params()).json()
    assert (answer["pending_agent"], answer["agent_mode"], answer["status"]) == (
        "true",
        "false",
        "transferred",
    )
    waiting.take_over(awa, at=clock.now)
    answer = twilio.call("/api/twilio/incoming", message_params()).json()
    assert (answer["pending_agent"], answer["agent_mode"], answer["waiting_due"]) == (
        "false",
        "true",
        "false",
    )


def test_incoming_counts_media(twilio):
    params = message_params(NumMedia="1", MediaUrl0="https://api.twilio.com/a", MediaContentType0="image/png")
    answer = twilio.call("/api/twilio/incoming", params).json()
    assert (answer["has_media"], answer["media_count"]) == ("true", 1)


# -- the other hooks of Studio -----------------------------------------------------------------------


def test_menu_choices_form_a_path(twilio, with_bot):
    call = lambda **p: twilio.call("/api/twilio/menu-choice", {"conversation_id": str(with_bot.pk)} | p)  # noqa: E731
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
    first = twilio.call("/api/twilio/menu-choice", params).json()
    assert twilio.call("/api/twilio/menu-choice", params).json() == first
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
    assert twilio.call("/api/twilio/free-input", params).json() == {"success": "true", "stored": "true"}
    assert getattr(Client.objects.get(), field) == value


def test_an_unmapped_input_becomes_an_attribute(twilio, with_bot):
    params = {"conversation_id": with_bot.pk, "user_input": "GLE 300", "widget_name": "modele"}
    twilio.call("/api/twilio/free-input", params)
    assert Client.objects.get().attributes == {"modele": "GLE 300"}


def test_a_known_name_is_not_replaced_and_an_unclear_answer_is_not_stored(twilio, with_bot):
    Client.objects.update(client_full_name="Fatou Diallo")
    for name, given in (("collect_name", "X"), ("check_client", "peut-être"), ("email", " ")):
        params = {"conversation_id": with_bot.pk, "user_input": given, "widget_name": name}
        assert twilio.call("/api/twilio/free-input", params).json()["stored"] == "false"
    client = Client.objects.get()
    assert (client.client_full_name, client.is_client, client.email) == ("Fatou Diallo", None, "")


def test_late_choices_and_inputs_are_stored_with_the_ended_conversation(twilio, ended):
    choice = {"conversation_id": ended.pk, "menu_choice": "sav", "user_input": "2"}
    given = {"conversation_id": ended.pk, "user_input": "x", "widget_name": "note"}
    assert twilio.call("/api/twilio/menu-choice", choice).json()["success"] == "true"
    assert twilio.call("/api/twilio/free-input", given).json()["success"] == "true"
    ended.refresh_from_db()
    assert ended.status == "completed"
    assert event_types_of(ended)[-2:] == ["menu_choice", "free_input"]


def test_agent_transfer_is_idempotent(twilio, with_bot):
    params = {"conversation_id": with_bot.pk, "reason": "le client le demande"}
    for _again in range(2):
        answer = twilio.call("/api/twilio/agent-transfer", params).json()
        assert answer.pop("message")
        assert answer == {"success": "true", "transferred": "true", "status": "transferred"}
    assert event_types_of(with_bot).count("agent_transfer") == 1


def test_agent_transfer_after_the_end_is_a_200_that_says_no(twilio, ended):
    answer = twilio.call("/api/twilio/agent-transfer", {"conversation_id": ended.pk, "reason": ""})
    assert answer.status_code == 200
    assert (answer.json()["success"], answer.json()["transferred"]) == ("true", "false")


def test_complete_is_idempotent(twilio, with_bot):
    answer = twilio.call("/api/twilio/complete", {"conversation_id": with_bot.pk}).json()
    assert (answer["success"], answer["completed"], answer["status"]) == ("true", "true", "completed")
    assert isinstance(answer["duration_seconds"], int)
    assert twilio.call("/api/twilio/complete", {"conversation_id": with_bot.pk}).json() == answer


def test_complete_is_refused_while_an_agent_holds_the_conversation(twilio, held_by_awa):
    answer = twilio.call("/api/twilio/complete", {"conversation_id": held_by_awa.pk}).json()
    assert (answer["success"], answer["completed"], answer["status"]) == ("true", "false", "transferred")
