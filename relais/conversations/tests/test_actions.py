"""The action views, each tried for: success, wrong state, missing permission, conflict, and an agent of another team."""

import json

import pytest
from django.test import Client
from django.utils import timezone

from relais.clients.models import OptOutSource
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from tests.cast import Clock, event_types_of, messages_to_client

pytestmark = pytest.mark.django_db

ACTIONS = ("take-over", "send", "close", "hand-back", "reassign", "resend", "arrived", "read")


@pytest.fixture
def clock():
    """The real time, because views read the clock themselves."""
    clock = Clock()
    clock.now = timezone.now()
    return clock


class ActionClient:
    """Posts actions as a user, and accepts JSON unless another type is given."""

    def __init__(self, user=None, accept="application/json", **headers):
        self.http = Client(headers={"accept": accept, **headers})
        if user:
            self.http.force_login(user)

    def post(self, action, conversation, **fields):
        return self.http.post(f"/dashboard/chat/{getattr(conversation, 'pk', conversation)}/{action}", fields)


def browser(user=None, **headers):
    return ActionClient(user, accept="text/html", **headers)


def state_of(conversation):
    return Conversation.objects.values_list("status", "agent").get(pk=conversation.pk)


# -- take over ---------------------------------------------------------------------------------------------


def test_taking_over_a_waiting_client(waiting, awa):
    response = ActionClient(awa).post("take-over", waiting)
    assert response.status_code == 200
    assert response.json() == {
        "success": True,
        "conversation_id": waiting.pk,
        "status": "transferred",
        "agent": "Awa Diop",
        "duration_seconds": None,
    }
    assert state_of(waiting) == ("transferred", awa.pk)
    assert messages_to_client(waiting)[-1].startswith("Vous êtes maintenant en contact avec un agent")


def test_taking_over_from_the_bot(with_bot, awa):
    assert ActionClient(awa).post("take-over", with_bot).json()["success"]


def test_taking_over_twice_gives_the_same_response_and_one_event(waiting, awa):
    first, second = (ActionClient(awa).post("take-over", waiting).json() for _ in range(2))
    assert first == second
    assert event_types_of(waiting).count("agent_takeover") == 1


def test_the_second_agent_gets_a_conflict_that_names_the_holder(held_by_awa, koffi):
    response = ActionClient(koffi).post("take-over", held_by_awa)
    assert response.status_code == 409
    body = response.json()
    assert (body["success"], body["code"], body["agent"]) == (False, "held", "Awa Diop")
    assert "Awa Diop" in body["error"]
    assert state_of(held_by_awa) == ("transferred", held_by_awa.agent_id)


def test_an_ended_conversation_cannot_be_taken_over(ended, koffi):
    response = ActionClient(koffi).post("take-over", ended)
    assert (response.status_code, response.json()["code"], response.json()["status"]) == (
        409,
        "ended",
        "completed",
    )


def test_taking_over_redirects_a_browser_to_the_chat_page(waiting, awa):
    response = browser(awa).post("take-over", waiting)
    assert response.status_code in (302, 303)
    assert response["Location"].rstrip("/").endswith(f"/dashboard/chat/{waiting.pk}")


def test_a_conflict_redirects_a_browser_to_the_chat_page_with_a_message(held_by_awa, koffi):
    client = browser(koffi)
    response = client.http.post(f"/dashboard/chat/{held_by_awa.pk}/take-over", follow=True)
    assert "Awa Diop a pris cette conversation" in response.text


def test_htmx_gets_the_fragment(waiting, awa):
    response = browser(awa, **{"HX-Request": "true"}).post("take-over", waiting)
    assert response.status_code == 200
    assert 'id="chat-header"' in response.text
    assert 'id="composer"' in response.text
    assert "<html" not in response.text


def test_htmx_gets_the_fragment_with_the_reason_of_a_conflict(held_by_awa, koffi):
    response = browser(koffi, **{"HX-Request": "true"}).post("take-over", held_by_awa)
    assert response.status_code == 409
    assert "Awa Diop a pris cette conversation" in response.text


# -- send --------------------------------------------------------------------------------------------------------


def test_the_holder_sends(held_by_awa, awa):
    response = ActionClient(awa).post("send", held_by_awa, message="  Bonjour Fatou  ", ref="r1")
    assert response.status_code == 200
    body = response.json()
    event = ConversationEvent.objects.get(pk=body["event_id"])
    assert (body["success"], body["status"], body["message_sid"]) == (True, "queued", None)
    assert (event.event_type, event.body) == ("agent_message", "Bonjour Fatou")
    assert f'id="message-{event.pk}"' in body["html"]


def test_sending_is_idempotent_by_ref(held_by_awa, awa):
    first = ActionClient(awa).post("send", held_by_awa, message="Bonjour", ref="r1").json()
    second = ActionClient(awa).post("send", held_by_awa, message="Bonjour", ref="r1").json()
    assert first["event_id"] == second["event_id"]
    assert messages_to_client(held_by_awa).count("Bonjour") == 1


def test_without_a_ref_each_request_sends_a_message(held_by_awa, awa):
    for _ in range(2):
        ActionClient(awa).post("send", held_by_awa, message="Bonjour")
    assert messages_to_client(held_by_awa).count("Bonjour") == 2


def test_a_ref_counts_within_its_conversation(held_by_awa, awa, fatou_writes, clock):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000099")
    other.take_over(awa, at=clock.now)
    ids = {
        ActionClient(awa).post("send", c, message="Bonjour", ref="r1").json()["event_id"]
        for c in (held_by_awa, other)
    }
    assert len(ids) == 2


def test_1600_code_points_are_sent_and_1601_are_not(held_by_awa, awa):
    assert ActionClient(awa).post("send", held_by_awa, message=" " + "😀" * 1600 + "\n").json()["success"]
    response = ActionClient(awa).post("send", held_by_awa, message="😀" * 1601)
    assert (response.status_code, response.json()["code"]) == (422, "too_long")


@pytest.mark.parametrize("text", ["", "   \n", "\u200b\u200d", "\x00"])
def test_an_empty_message_is_not_sent(held_by_awa, awa, text):
    response = ActionClient(awa).post("send", held_by_awa, message=text)
    assert (response.status_code, response.json()["code"]) == (422, "empty")


def test_nul_characters_are_removed(held_by_awa, awa):
    ActionClient(awa).post("send", held_by_awa, message="a\x00b", ref="r\x00")
    assert messages_to_client(held_by_awa)[-1] == "ab"


def test_a_ref_has_at_most_64_characters(held_by_awa, awa):
    assert ActionClient(awa).post("send", held_by_awa, message="un", ref="r" * 64).status_code == 200
    response = ActionClient(awa).post("send", held_by_awa, message="deux", ref="r" * 65)
    assert (response.status_code, response.json()["code"]) == (422, "ref")


def test_nothing_is_sent_when_the_window_is_closed(held_by_awa, awa, clock):
    Conversation.objects.update(last_inbound_at=clock.passes(hours=-24, minutes=-1))
    response = ActionClient(awa).post("send", held_by_awa, message="Bonjour")
    assert (response.status_code, response.json()["code"]) == (422, "window_closed")


def test_nothing_is_sent_to_a_client_who_opted_out(held_by_awa, awa, clock):
    held_by_awa.address.opted_out_at = clock.now
    held_by_awa.address.save()
    response = ActionClient(awa).post("send", held_by_awa, message="Bonjour")
    assert (response.status_code, response.json()["code"]) == (422, "opted_out")


@pytest.mark.parametrize("fields", [{}, {"send_at": "2027-01-05T10:00:00+01:00"}])
def test_a_client_who_blocked_us_is_not_said_to_have_asked_for_it(held_by_awa, awa, clock, fields):
    source = OptOutSource.BLOCKED
    held_by_awa.client.opt_out(held_by_awa.sender, at=clock.now, address=held_by_awa.address, source=source)
    answer = ActionClient(awa).post("send", held_by_awa, message="Bonjour", **fields).json()
    assert answer["code"] == "opted_out"
    assert "a bloqué notre numéro" in answer["error"]


def test_only_the_holder_sends(held_by_awa, koffi, mariam):
    for other in (koffi, mariam):
        response = ActionClient(other).post("send", held_by_awa, message="Bonjour")
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")
        assert "Awa Diop" in response.json()["error"]


def test_nothing_is_sent_in_an_ended_conversation(ended, awa):
    response = ActionClient(awa).post("send", ended, message="Bonjour")
    assert (response.status_code, response.json()["code"], response.json()["status"]) == (
        409,
        "ended",
        "completed",
    )


def test_a_browser_keeps_the_text_that_could_not_be_sent(held_by_awa, awa):
    text = "<b>long</b> " * 200
    response = browser(awa).post("send", held_by_awa, message=text)
    assert response.status_code == 422
    assert "dépasse 1600 caractères" in response.text
    assert "&lt;b&gt;long&lt;/b&gt;" in response.text


def test_a_browser_keeps_the_text_of_a_reassigned_conversation(held_by_awa, awa, koffi, mariam, clock):
    held_by_awa.reassign(koffi, by=mariam, at=clock.now)
    response = browser(awa).post("send", held_by_awa, message="mon long texte")
    assert response.status_code == 403
    assert "mon long texte" in response.text
    assert "Koffi Mensah tient cette conversation" in response.text


def test_a_json_body_is_accepted(held_by_awa, awa):
    url = f"/dashboard/chat/{held_by_awa.pk}/send"
    body = ActionClient(awa).http.post(
        url, json.dumps({"message": "Bonjour", "ref": 7}), content_type="application/json"
    )
    assert body.json()["success"]
    for invalid_body in ("[]", "{", "null", '{"message": {"a": 1}}', "[" * 100_000):
        response = ActionClient(awa).http.post(url, invalid_body, content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (422, "empty")


# -- close -----------------------------------------------------------------------------------------------------


def test_the_holder_closes_and_the_client_is_notified(held_by_awa, awa):
    response = ActionClient(awa).post("close", held_by_awa)
    assert (response.status_code, response.json()["status"]) == (200, "completed")
    assert response.json()["duration_seconds"] >= 0
    assert messages_to_client(held_by_awa)[-1].startswith("Merci d'avoir contacté")


def test_closing_redirects_a_browser_to_the_list_with_a_message(held_by_awa, awa):
    client = browser(awa)
    response = client.post("close", held_by_awa)
    assert response.status_code in (302, 303)
    assert response["Location"].rstrip("/").endswith("/dashboard/active")
    assert "Conversation avec Fatou clôturée." in client.http.get(response["Location"]).text


def test_a_colleague_cannot_close(held_by_awa, koffi):
    assert ActionClient(koffi).post("close", held_by_awa).status_code == 403
    assert state_of(held_by_awa)[0] == "transferred"


def test_an_agent_cannot_close_what_nobody_holds(waiting, awa):
    assert ActionClient(awa).post("close", waiting).status_code == 403


@pytest.mark.parametrize(
    ("fields", "notifications"), [({}, 0), ({"tell_client": "1"}, 1), ({"tell_client": "0"}, 0)]
)
def test_a_supervisor_closes_what_nobody_holds_and_chooses_to_notify(waiting, mariam, fields, notifications):
    assert ActionClient(mariam).post("close", waiting, **fields).json()["status"] == "completed"
    assert len(messages_to_client(waiting)) == notifications


def test_closing_twice_is_a_conflict(ended, awa):
    response = ActionClient(awa).post("close", ended)
    assert (response.status_code, response.json()["code"]) == (409, "ended")


# -- hand back, reassign ---------------------------------------------------------------------------------------------


def test_the_holder_hands_back_with_a_reason(held_by_awa, awa):
    assert ActionClient(awa).post("hand-back", held_by_awa, reason="hors sujet").json()["status"] == "active"
    assert held_by_awa.events.get(event_type="agent_release").metadata["reason"] == "hors sujet"


@pytest.mark.parametrize("reason", ["\x00hors sujet", "\ud800hors sujet"])
def test_a_reason_is_sanitized_for_postgres(held_by_awa, awa, reason):
    response = ActionClient(awa).http.post(
        f"/dashboard/chat/{held_by_awa.pk}/hand-back",
        json.dumps({"reason": reason}),
        content_type="application/json",
    )
    assert response.status_code == 200
    kept = ConversationEvent.objects.get(event_type="agent_release").metadata["reason"]
    assert kept in ("hors sujet", "?hors sujet")


def test_a_colleague_cannot_hand_back(held_by_awa, koffi):
    assert ActionClient(koffi).post("hand-back", held_by_awa).status_code == 403


def test_a_conversation_with_the_bot_cannot_be_handed_back(with_bot, mariam):
    response = ActionClient(mariam).post("hand-back", with_bot)
    assert (response.status_code, response.json()["code"]) == (409, "wrong_state")


def test_an_ended_conversation_cannot_be_handed_back(ended, awa):
    assert ActionClient(awa).post("hand-back", ended).status_code == 409


def test_a_supervisor_reassigns(held_by_awa, mariam, koffi):
    response = ActionClient(mariam).post("reassign", held_by_awa, agent=koffi.pk)
    assert response.json()["agent"] == "Koffi Mensah"
    assert state_of(held_by_awa) == ("transferred", koffi.pk)


def test_an_agent_cannot_reassign(held_by_awa, awa, koffi):
    assert ActionClient(awa).post("reassign", held_by_awa, agent=koffi.pk).status_code == 403


def test_a_conversation_cannot_be_reassigned_to_an_agent_out_of_reach(held_by_awa, mariam, yao, sales):
    Conversation.objects.update(team=sales)
    assert ActionClient(mariam).post("reassign", held_by_awa, agent=yao.pk).status_code == 403


@pytest.mark.parametrize("agent", ["", "0", "x", "-1", "999999999999999999999", "²", "\x00"])
def test_reassigning_to_an_invalid_agent_is_refused(held_by_awa, mariam, agent):
    response = ActionClient(mariam).post("reassign", held_by_awa, agent=agent)
    assert (response.status_code, response.json()["code"]) == (422, "agent")


def test_reassigning_to_a_deactivated_agent_is_refused(held_by_awa, mariam, koffi, clock):
    koffi.deactivate(by=None, at=clock.now)
    assert ActionClient(mariam).post("reassign", held_by_awa, agent=koffi.pk).status_code == 422


def test_reassigning_an_ended_conversation_is_a_conflict(ended, mariam, koffi):
    assert ActionClient(mariam).post("reassign", ended, agent=koffi.pk).status_code == 409


# -- resend, arrived ---------------------------------------------------------------------------------------------------


@pytest.fixture
def failed(held_by_awa, awa, clock):
    delivery = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    delivery.mark_failed(at=clock.now, code=63024, error="Ce numéro ne peut pas recevoir ce message.")
    return delivery


@pytest.fixture
def uncertain(held_by_awa, awa, clock):
    delivery = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    MessageDelivery.objects.filter(pk=delivery.pk).update(
        state="sending", claimed_by="test", claimed_at=clock.now, lease_until=clock.now
    )
    delivery.refresh_from_db()
    delivery.mark_uncertain(at=clock.now, error="")
    return delivery


def test_a_failed_message_is_resent_once(failed, awa):
    first, second = (
        ActionClient(awa).post("resend", failed.conversation, event=failed.event_id).json() for _ in range(2)
    )
    assert first["success"]
    assert first["event_id"] == second["event_id"] != failed.event_id
    assert messages_to_client(failed.conversation).count("Bonjour") == 2


def test_a_delivered_message_is_not_resent(failed, awa):
    MessageDelivery.objects.filter(pk=failed.pk).update(state="delivered")
    response = ActionClient(awa).post("resend", failed.conversation, event=failed.event_id)
    assert (response.status_code, response.json()["code"]) == (409, "wrong_state")


def test_only_the_holder_resends(failed, koffi):
    assert ActionClient(koffi).post("resend", failed.conversation, event=failed.event_id).status_code == 403


def test_nothing_is_resent_after_the_end(failed, awa, clock):
    failed.conversation.close(awa, at=clock.now)
    assert ActionClient(awa).post("resend", failed.conversation, event=failed.event_id).status_code == 409


def test_an_event_of_another_conversation_is_not_found(failed, awa, fatou_writes, clock):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000099")
    other.take_over(awa, at=clock.now)
    assert ActionClient(awa).post("resend", other, event=failed.event_id).status_code == 404
    assert ActionClient(awa).post("arrived", other, event=failed.event_id).status_code == 404


@pytest.mark.parametrize("event", ["", "x", "0", "99999999999999999999"])
def test_an_invalid_event_is_not_found(held_by_awa, awa, event):
    response = ActionClient(awa).post("resend", held_by_awa, event=event)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_a_message_of_the_client_cannot_be_resent(held_by_awa, awa):
    received = held_by_awa.events.get(event_type="message_received")
    assert ActionClient(awa).post("resend", held_by_awa, event=received.pk).status_code == 404


def test_the_holder_confirms_that_an_uncertain_message_arrived(uncertain, awa):
    body = ActionClient(awa).post("arrived", uncertain.conversation, event=uncertain.event_id).json()
    assert (body["success"], body["status"]) == (True, "sent")


def test_an_uncertain_message_is_resent_on_request(uncertain, awa):
    body = ActionClient(awa).post("resend", uncertain.conversation, event=uncertain.event_id).json()
    assert (body["success"], body["status"]) == (True, "queued")
    uncertain.refresh_from_db()
    assert (uncertain.state, uncertain.reason) == ("failed", "resent")


# -- access ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_an_agent_of_another_team_gets_404(held_by_awa, yao, sales, action):
    Conversation.objects.update(team=sales)
    response = ActionClient(yao).post(action, held_by_awa, message="x", event="1", agent="1")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert "Fatou" not in response.text


@pytest.mark.parametrize("action", ACTIONS)
def test_an_unknown_conversation_gives_404(awa, action):
    for pk in (1, 9_223_372_036_854_775_807, 9_999_999_999_999_999_999):
        assert ActionClient(awa).post(action, pk).status_code == 404


@pytest.mark.parametrize("action", ACTIONS)
def test_an_anonymous_user_is_asked_to_sign_in(held_by_awa, action):
    response = ActionClient().post(action, held_by_awa)
    assert (response.status_code, response.json()["success"], response.json()["code"]) == (
        401,
        False,
        "login",
    )
    response = browser().post(action, held_by_awa)
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next=/dashboard/chat/{held_by_awa.pk}"


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_refuse_get_requests(held_by_awa, awa, action):
    for client in (ActionClient(awa), ActionClient()):
        assert client.http.get(f"/dashboard/chat/{held_by_awa.pk}/{action}").status_code == 405


def test_a_deactivated_user_is_anonymous(held_by_awa, awa, clock):
    client = ActionClient(awa)
    awa.deactivate(by=None, at=clock.now)
    assert client.post("send", held_by_awa, message="x").status_code == 401


def test_a_form_without_a_csrf_token_does_nothing(waiting, awa):
    client = ActionClient(awa)
    client.http.handler.enforce_csrf_checks = True
    response = client.post("take-over", waiting)
    assert (response.status_code, response.json()["code"]) == (403, "csrf")
    page = browser(awa)
    page.http.handler.enforce_csrf_checks = True
    response = page.post("take-over", waiting)
    assert response.status_code == 403
    assert "Rien n'a été fait" in response.text.replace("&#x27;", "'")
    assert state_of(waiting) == ("transferred", None)


def test_an_anonymous_user_without_a_csrf_token_is_asked_to_sign_in(waiting):
    for client, status in ((ActionClient(), 401), (browser(), 302)):
        client.http.handler.enforce_csrf_checks = True
        assert client.post("take-over", waiting).status_code == status


def test_actions_accept_a_trailing_slash(waiting, awa):
    assert ActionClient(awa).http.post(f"/dashboard/chat/{waiting.pk}/take-over/").json()["success"]


def test_only_the_holder_marks_as_read(held_by_awa, awa, koffi, fatou_writes):
    fatou_writes("encore")
    ActionClient(koffi).post("read", held_by_awa)
    assert Conversation.objects.get().is_unread
    assert ActionClient(awa).post("read", held_by_awa).json() == {"success": True}
    assert not Conversation.objects.get().is_unread
