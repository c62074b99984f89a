"""What people do with a conversation, tried from outside: it works · wrong state · no right · someone was faster · outsider."""

import json

import pytest
from django.test import Client
from django.utils import timezone

from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from tests.cast import Clock, event_types_of, messages_to_client

pytestmark = pytest.mark.django_db

ACTIONS = ("take-over", "send", "close", "hand-back", "reassign", "resend", "arrived", "read")


@pytest.fixture
def clock():
    """The machine's, since pages read it at the door."""
    clock = Clock()
    clock.now = timezone.now()
    return clock


class Desk:
    """Someone's program: signed in, asks for JSON."""

    def __init__(self, user=None, accept="application/json", **headers):
        self.client = Client(headers={"accept": accept, **headers})
        if user:
            self.client.force_login(user)

    def does(self, action, conversation, **fields):
        return self.client.post(
            f"/dashboard/chat/{getattr(conversation, 'pk', conversation)}/{action}", fields
        )


def browser(user=None, **headers):
    return Desk(user, accept="text/html", **headers)


def state_of(conversation):
    return Conversation.objects.values_list("status", "agent").get(pk=conversation.pk)


# -- take over ---------------------------------------------------------------------------------------------


def test_taking_over_a_waiting_client(waiting, awa):
    answer = Desk(awa).does("take-over", waiting)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "conversation_id": waiting.pk,
        "status": "transferred",
        "agent": "Awa Diop",
        "duration_seconds": None,
    }
    assert state_of(waiting) == ("transferred", awa.pk)
    assert messages_to_client(waiting)[-1].startswith("Vous êtes maintenant en contact avec un agent")


def test_taking_over_from_the_bot(with_bot, awa):
    assert Desk(awa).does("take-over", with_bot).json()["success"]


def test_taking_over_twice_is_answered_the_same_and_told_once(waiting, awa):
    first, second = (Desk(awa).does("take-over", waiting).json() for _ in range(2))
    assert first == second
    assert event_types_of(waiting).count("agent_takeover") == 1


def test_the_second_agent_comes_too_late_and_learns_who_was_faster(held_by_awa, koffi):
    answer = Desk(koffi).does("take-over", held_by_awa)
    assert answer.status_code == 409
    said = answer.json()
    assert (said["success"], said["code"], said["agent"]) == (False, "held", "Awa Diop")
    assert "Awa Diop" in said["error"]
    assert state_of(held_by_awa) == ("transferred", held_by_awa.agent_id)


def test_nobody_takes_over_what_has_ended(ended, koffi):
    answer = Desk(koffi).does("take-over", ended)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (409, "ended", "completed")


def test_a_browser_that_takes_over_is_led_to_the_chat_page(waiting, awa):
    answer = browser(awa).does("take-over", waiting)
    assert answer.status_code in (302, 303)
    assert answer["Location"].rstrip("/").endswith(f"/dashboard/chat/{waiting.pk}")


def test_a_browser_that_comes_too_late_is_told_on_the_chat_page(held_by_awa, koffi):
    desk = browser(koffi)
    answer = desk.client.post(f"/dashboard/chat/{held_by_awa.pk}/take-over", follow=True)
    assert "Awa Diop a pris cette conversation" in answer.text


def test_htmx_gets_the_fragment(waiting, awa):
    answer = browser(awa, **{"HX-Request": "true"}).does("take-over", waiting)
    assert answer.status_code == 200
    assert 'id="chat-header"' in answer.text
    assert 'id="composer"' in answer.text
    assert "<html" not in answer.text


def test_htmx_that_comes_too_late_gets_the_fragment_with_the_reason(held_by_awa, koffi):
    answer = browser(koffi, **{"HX-Request": "true"}).does("take-over", held_by_awa)
    assert answer.status_code == 409
    assert "Awa Diop a pris cette conversation" in answer.text


# -- send --------------------------------------------------------------------------------------------------------


def test_the_holder_writes(held_by_awa, awa):
    answer = Desk(awa).does("send", held_by_awa, message="  Bonjour Fatou  ", ref="r1")
    assert answer.status_code == 200
    said = answer.json()
    event = ConversationEvent.objects.get(pk=said["event_id"])
    assert (said["success"], said["status"], said["message_sid"]) == (True, "queued", None)
    assert (event.event_type, event.body) == ("agent_message", "Bonjour Fatou")
    assert f'id="message-{event.pk}"' in said["html"]


def test_the_same_ref_is_answered_as_the_first_time_and_said_once(held_by_awa, awa):
    first = Desk(awa).does("send", held_by_awa, message="Bonjour", ref="r1").json()
    second = Desk(awa).does("send", held_by_awa, message="Bonjour", ref="r1").json()
    assert first["event_id"] == second["event_id"]
    assert messages_to_client(held_by_awa).count("Bonjour") == 1


def test_without_a_ref_each_is_a_message_of_its_own(held_by_awa, awa):
    for _ in range(2):
        Desk(awa).does("send", held_by_awa, message="Bonjour")
    assert messages_to_client(held_by_awa).count("Bonjour") == 2


def test_the_same_ref_in_another_conversation_says_something_else(held_by_awa, awa, fatou_writes, clock):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000099")
    other.take_over(awa, at=clock.now)
    ids = {
        Desk(awa).does("send", c, message="Bonjour", ref="r1").json()["event_id"]
        for c in (held_by_awa, other)
    }
    assert len(ids) == 2


def test_1600_code_points_go_and_1601_do_not(held_by_awa, awa):
    assert Desk(awa).does("send", held_by_awa, message=" " + "😀" * 1600 + "\n").json()["success"]
    answer = Desk(awa).does("send", held_by_awa, message="😀" * 1601)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_long")


@pytest.mark.parametrize("text", ["", "   \n", "\u200b\u200d", "\x00"])
def test_nothing_is_not_sent(held_by_awa, awa, text):
    answer = Desk(awa).does("send", held_by_awa, message=text)
    assert (answer.status_code, answer.json()["code"]) == (422, "empty")


def test_a_nul_is_taken_out(held_by_awa, awa):
    Desk(awa).does("send", held_by_awa, message="a\x00b", ref="r\x00")
    assert messages_to_client(held_by_awa)[-1] == "ab"


def test_a_ref_has_64_signs_at_most(held_by_awa, awa):
    assert Desk(awa).does("send", held_by_awa, message="un", ref="r" * 64).status_code == 200
    answer = Desk(awa).does("send", held_by_awa, message="deux", ref="r" * 65)
    assert (answer.status_code, answer.json()["code"]) == (422, "ref")


def test_after_24_hours_of_silence_whatsapp_takes_no_text(held_by_awa, awa, clock):
    Conversation.objects.update(last_inbound_at=clock.passes(hours=-24, minutes=-1))
    answer = Desk(awa).does("send", held_by_awa, message="Bonjour")
    assert (answer.status_code, answer.json()["code"]) == (422, "window_closed")


def test_who_opted_out_is_left_in_peace(held_by_awa, awa, clock):
    held_by_awa.address.opted_out_at = clock.now
    held_by_awa.address.save()
    answer = Desk(awa).does("send", held_by_awa, message="Bonjour")
    assert (answer.status_code, answer.json()["code"]) == (422, "opted_out")


def test_only_the_holder_writes(held_by_awa, koffi, mariam):
    for other in (koffi, mariam):
        answer = Desk(other).does("send", held_by_awa, message="Bonjour")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "Awa Diop" in answer.json()["error"]


def test_nobody_writes_in_what_has_ended(ended, awa):
    answer = Desk(awa).does("send", ended, message="Bonjour")
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (409, "ended", "completed")


def test_a_browser_does_not_lose_what_could_not_be_sent(held_by_awa, awa):
    text = "<b>long</b> " * 200
    answer = browser(awa).does("send", held_by_awa, message=text)
    assert answer.status_code == 422
    assert "dépasse 1600 caractères" in answer.text
    assert "&lt;b&gt;long&lt;/b&gt;" in answer.text


def test_a_browser_whose_conversation_was_taken_away_keeps_its_text(held_by_awa, awa, koffi, mariam, clock):
    held_by_awa.reassign(koffi, by=mariam, at=clock.now)
    answer = browser(awa).does("send", held_by_awa, message="mon long texte")
    assert answer.status_code == 403
    assert "mon long texte" in answer.text
    assert "Koffi Mensah tient cette conversation" in answer.text


def test_a_json_body_is_understood(held_by_awa, awa):
    url = f"/dashboard/chat/{held_by_awa.pk}/send"
    said = Desk(awa).client.post(
        url, json.dumps({"message": "Bonjour", "ref": 7}), content_type="application/json"
    )
    assert said.json()["success"]
    for nonsense in ("[]", "{", "null", '{"message": {"a": 1}}', "[" * 100_000):
        answer = Desk(awa).client.post(url, nonsense, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (422, "empty")


# -- close -----------------------------------------------------------------------------------------------------


def test_the_holder_closes_and_the_client_is_told(held_by_awa, awa):
    answer = Desk(awa).does("close", held_by_awa)
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert answer.json()["duration_seconds"] >= 0
    assert messages_to_client(held_by_awa)[-1].startswith("Merci d'avoir contacté")


def test_a_browser_that_closes_is_led_to_the_list_with_a_word(held_by_awa, awa):
    desk = browser(awa)
    answer = desk.does("close", held_by_awa)
    assert answer.status_code in (302, 303)
    assert answer["Location"].rstrip("/").endswith("/dashboard/active")
    assert "Conversation avec Fatou clôturée." in desk.client.get(answer["Location"]).text


def test_a_colleague_does_not_close(held_by_awa, koffi):
    assert Desk(koffi).does("close", held_by_awa).status_code == 403
    assert state_of(held_by_awa)[0] == "transferred"


def test_an_agent_does_not_close_what_nobody_holds(waiting, awa):
    assert Desk(awa).does("close", waiting).status_code == 403


@pytest.mark.parametrize(("tell", "told"), [({}, 0), ({"tell_client": "1"}, 1), ({"tell_client": "0"}, 0)])
def test_a_supervisor_closes_what_nobody_holds_and_chooses_to_tell(waiting, mariam, tell, told):
    assert Desk(mariam).does("close", waiting, **tell).json()["status"] == "completed"
    assert len(messages_to_client(waiting)) == told


def test_closing_twice_is_too_late(ended, awa):
    answer = Desk(awa).does("close", ended)
    assert (answer.status_code, answer.json()["code"]) == (409, "ended")


# -- hand back, reassign ---------------------------------------------------------------------------------------------


def test_the_holder_hands_back_and_says_why(held_by_awa, awa):
    assert Desk(awa).does("hand-back", held_by_awa, reason="hors sujet").json()["status"] == "active"
    assert held_by_awa.events.get(event_type="agent_release").metadata["reason"] == "hors sujet"


@pytest.mark.parametrize("reason", ["\x00hors sujet", "\ud800hors sujet"])
def test_a_reason_that_cannot_be_stored_is_cleaned(held_by_awa, awa, reason):
    answer = Desk(awa).client.post(
        f"/dashboard/chat/{held_by_awa.pk}/hand-back",
        json.dumps({"reason": reason}),
        content_type="application/json",
    )
    assert answer.status_code == 200
    kept = ConversationEvent.objects.get(event_type="agent_release").metadata["reason"]
    assert kept in ("hors sujet", "?hors sujet")


def test_a_colleague_does_not_hand_back(held_by_awa, koffi):
    assert Desk(koffi).does("hand-back", held_by_awa).status_code == 403


def test_what_the_bot_has_cannot_be_handed_back(with_bot, mariam):
    answer = Desk(mariam).does("hand-back", with_bot)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


def test_what_has_ended_cannot_be_handed_back(ended, awa):
    assert Desk(awa).does("hand-back", ended).status_code == 409


def test_a_supervisor_reassigns(held_by_awa, mariam, koffi):
    answer = Desk(mariam).does("reassign", held_by_awa, agent=koffi.pk)
    assert answer.json()["agent"] == "Koffi Mensah"
    assert state_of(held_by_awa) == ("transferred", koffi.pk)


def test_an_agent_does_not_reassign(held_by_awa, awa, koffi):
    assert Desk(awa).does("reassign", held_by_awa, agent=koffi.pk).status_code == 403


def test_nobody_is_given_what_is_out_of_his_reach(held_by_awa, mariam, yao, sales):
    Conversation.objects.update(team=sales)
    assert Desk(mariam).does("reassign", held_by_awa, agent=yao.pk).status_code == 403


@pytest.mark.parametrize("agent", ["", "0", "x", "-1", "999999999999999999999", "²", "\x00"])
def test_reassigning_to_nobody_is_refused(held_by_awa, mariam, agent):
    answer = Desk(mariam).does("reassign", held_by_awa, agent=agent)
    assert (answer.status_code, answer.json()["code"]) == (422, "agent")


def test_reassigning_to_who_was_deactivated_is_refused(held_by_awa, mariam, koffi, clock):
    koffi.deactivate(by=None, at=clock.now)
    assert Desk(mariam).does("reassign", held_by_awa, agent=koffi.pk).status_code == 422


def test_reassigning_what_has_ended_is_too_late(ended, mariam, koffi):
    assert Desk(mariam).does("reassign", ended, agent=koffi.pk).status_code == 409


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


def test_what_failed_is_said_again_once(failed, awa):
    first, second = (
        Desk(awa).does("resend", failed.conversation, event=failed.event_id).json() for _ in range(2)
    )
    assert first["success"]
    assert first["event_id"] == second["event_id"] != failed.event_id
    assert messages_to_client(failed.conversation).count("Bonjour") == 2


def test_what_arrived_is_not_said_again(failed, awa):
    MessageDelivery.objects.filter(pk=failed.pk).update(state="delivered")
    answer = Desk(awa).does("resend", failed.conversation, event=failed.event_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


def test_only_the_holder_says_again(failed, koffi):
    assert Desk(koffi).does("resend", failed.conversation, event=failed.event_id).status_code == 403


def test_nothing_is_said_again_after_the_end(failed, awa, clock):
    failed.conversation.close(awa, at=clock.now)
    assert Desk(awa).does("resend", failed.conversation, event=failed.event_id).status_code == 409


def test_an_event_of_another_conversation_is_unknown(failed, awa, fatou_writes, clock):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000099")
    other.take_over(awa, at=clock.now)
    assert Desk(awa).does("resend", other, event=failed.event_id).status_code == 404
    assert Desk(awa).does("arrived", other, event=failed.event_id).status_code == 404


@pytest.mark.parametrize("event", ["", "x", "0", "99999999999999999999"])
def test_an_event_that_is_none_is_unknown(held_by_awa, awa, event):
    answer = Desk(awa).does("resend", held_by_awa, event=event)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_what_a_client_wrote_cannot_be_said_again(held_by_awa, awa):
    received = held_by_awa.events.get(event_type="message_received")
    assert Desk(awa).does("resend", held_by_awa, event=received.pk).status_code == 404


def test_the_holder_knows_that_an_uncertain_message_arrived(uncertain, awa):
    said = Desk(awa).does("arrived", uncertain.conversation, event=uncertain.event_id).json()
    assert (said["success"], said["status"]) == (True, "sent")


def test_an_uncertain_message_is_said_again_only_when_asked(uncertain, awa):
    said = Desk(awa).does("resend", uncertain.conversation, event=uncertain.event_id).json()
    assert (said["success"], said["status"]) == (True, "queued")
    uncertain.refresh_from_db()
    assert (uncertain.state, uncertain.reason) == ("failed", "resent")


# -- who may ask at all ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_the_outsider_finds_nothing(held_by_awa, yao, sales, action):
    Conversation.objects.update(team=sales)
    answer = Desk(yao).does(action, held_by_awa, message="x", event="1", agent="1")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "Fatou" not in answer.text


@pytest.mark.parametrize("action", ACTIONS)
def test_what_does_not_exist_is_unknown(awa, action):
    for pk in (1, 9_223_372_036_854_775_807, 9_999_999_999_999_999_999):
        assert Desk(awa).does(action, pk).status_code == 404


@pytest.mark.parametrize("action", ACTIONS)
def test_a_stranger_is_asked_to_sign_in(held_by_awa, action):
    answer = Desk().does(action, held_by_awa)
    assert (answer.status_code, answer.json()["success"], answer.json()["code"]) == (401, False, "login")
    answer = browser().does(action, held_by_awa)
    assert answer.status_code == 302
    assert answer["Location"] == f"/accounts/login/?next=/dashboard/chat/{held_by_awa.pk}"


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_are_not_read(held_by_awa, awa, action):
    for desk in (Desk(awa), Desk()):
        assert desk.client.get(f"/dashboard/chat/{held_by_awa.pk}/{action}").status_code == 405


def test_who_was_deactivated_meanwhile_is_a_stranger(held_by_awa, awa, clock):
    desk = Desk(awa)
    awa.deactivate(by=None, at=clock.now)
    assert desk.does("send", held_by_awa, message="x").status_code == 401


def test_a_form_without_our_token_does_nothing(waiting, awa):
    desk = Desk(awa)
    desk.client.handler.enforce_csrf_checks = True
    answer = desk.does("take-over", waiting)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    page = browser(awa)
    page.client.handler.enforce_csrf_checks = True
    answer = page.does("take-over", waiting)
    assert answer.status_code == 403
    assert "Rien n'a été fait" in answer.text.replace("&#x27;", "'")
    assert state_of(waiting) == ("transferred", None)


def test_a_stranger_without_our_token_is_asked_to_sign_in(waiting):
    for desk, status in ((Desk(), 401), (browser(), 302)):
        desk.client.handler.enforce_csrf_checks = True
        assert desk.does("take-over", waiting).status_code == status


def test_actions_work_with_a_slash_at_the_end_too(waiting, awa):
    assert Desk(awa).client.post(f"/dashboard/chat/{waiting.pk}/take-over/").json()["success"]


def test_the_holders_open_page_marks_as_read_and_nobody_elses(held_by_awa, awa, koffi, fatou_writes):
    fatou_writes("encore")
    Desk(koffi).does("read", held_by_awa)
    assert Conversation.objects.get().is_unread
    assert Desk(awa).does("read", held_by_awa).json() == {"success": True}
    assert not Conversation.objects.get().is_unread
