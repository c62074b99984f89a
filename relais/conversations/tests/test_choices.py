"""A question with buttons or a list under it: sending it by the page, the form or a program, and the client's tap."""

import json

import pytest
from django.urls import reverse

from relais.conversations import fragments
from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import Tap
from relais.conversations.models import ConversationEvent, MessageDelivery
from relais.conversations.tests.test_inbound import message

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_starts_now")]
OUI_NON = [{"title": "Oui"}, {"title": "Non"}]


@pytest.fixture
def ask(client, held_by_awa, awa):
    """Awa sends a question by JSON, and gets the answer."""
    client.force_login(awa)

    def ask(message="Vous venez demain ?", choices=OUI_NON, **fields):
        data = {"message": message, "kind": "buttons", "choices": json.dumps(choices)} | fields
        url = reverse("send_choices", args=[held_by_awa.pk])
        return client.post(url, data, headers={"accept": "application/json"})

    return ask


def taps(question, payload="choice-1", body="Oui", at=None):
    delivery = MessageDelivery.objects.get(event_id=question)
    sid = delivery.sid or f"SM{question:032d}"
    MessageDelivery.objects.filter(pk=delivery.pk).update(sid=sid, state="sent")
    tap = message(body, tap=Tap(sid, payload))
    ingest([tap], at=at)
    return ConversationEvent.objects.get(message_sid=tap.sid)


def test_a_question_with_buttons_is_stored_with_its_choices(ask, held_by_awa):
    answer = ask().json()
    assert (answer["success"], answer["status"], answer["message_sid"]) == (True, "queued", None)
    event = ConversationEvent.objects.get(pk=answer["event_id"])
    assert (event.event_type, event.body) == ("agent_message", "Vous venez demain ?")
    items = [{"title": "Oui", "description": ""}, {"title": "Non", "description": ""}]
    assert event.metadata["choices"] == {"kind": "buttons", "button": "", "items": items}
    assert [each["event_id"] for each in answer["events"]] == [event.pk]
    assert answer["html"].count("choices__choice") == 2


def test_a_json_body_is_understood(client, held_by_awa, awa):
    client.force_login(awa)
    choices = [{"title": "Casablanca", "description": "Ain Sebaâ"}, {"title": "Rabat"}]
    body = {"message": "Où ?", "kind": "list", "button": "Voir", "choices": choices}
    url = reverse("send_choices", args=[held_by_awa.pk])
    answer = client.post(url, body, content_type="application/json", headers={"accept": "application/json"})
    event = ConversationEvent.objects.get(pk=answer.json()["event_id"])
    assert event.metadata["choices"]["button"] == "Voir"
    assert event.metadata["choices"]["items"][0]["description"] == "Ain Sebaâ"


def test_the_same_ref_sends_once(ask, held_by_awa):
    first, second = ask(ref="r1").json(), ask(ref="r1").json()
    assert first["event_id"] == second["event_id"]
    assert held_by_awa.deliveries.filter(ref="r1").count() == 1


@pytest.mark.parametrize(
    ("fields", "code", "word"),
    [
        ({"choices": [{"title": "Oui"}, {"title": "x" * 21}]}, "choices_invalid", "Choix 2"),
        ({"choices": []}, "choices_invalid", "au moins un"),
        ({"message": "x" * 1025}, "choices_invalid", "1024"),
        ({"message": " "}, "empty", "vide"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_said(ask, held_by_awa, fields, code, word):
    before = held_by_awa.deliveries.count()
    answer = ask(**fields)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert word in answer.json()["error"]
    assert held_by_awa.deliveries.count() == before


def test_choices_that_are_no_json_are_refused(client, held_by_awa, awa):
    client.force_login(awa)
    url = reverse("send_choices", args=[held_by_awa.pk])
    fields = {"message": "Où ?", "choices": "Oui, Non"}
    answer = client.post(url, fields, headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "choices_invalid")


def test_the_window_and_an_opt_out_count(ask, held_by_awa, clock):
    held_by_awa.client.opt_out(held_by_awa.sender, at=clock.now, address=held_by_awa.address)
    assert ask().json()["code"] == "opted_out"
    type(held_by_awa).objects.update(last_inbound_at=clock.passes(days=-2))
    held_by_awa.client.opt_in(held_by_awa.sender, at=clock.passes(days=4))
    assert ask().json()["code"] == "window_closed"


def test_only_the_holder_asks(client, held_by_awa, koffi, yao, sales):
    url = reverse("send_choices", args=[held_by_awa.pk])
    fields = {"message": "Où ?", "kind": "buttons", "choices": json.dumps(OUI_NON)}
    client.force_login(koffi)
    assert client.post(url, fields, headers={"accept": "application/json"}).status_code == 403
    type(held_by_awa).objects.update(team=sales)
    client.force_login(yao)
    assert client.post(url, fields, headers={"accept": "application/json"}).status_code == 404
    client.logout()
    assert client.post(url, fields, headers={"accept": "application/json"}).status_code == 401


def test_an_ended_conversation_takes_none(client, ended, awa):
    client.force_login(awa)
    url = reverse("send_choices", args=[ended.pk])
    fields = {"message": "Où ?", "choices": json.dumps(OUI_NON)}
    assert client.post(url, fields, headers={"accept": "application/json"}).status_code == 409


def test_the_form_without_scripts_sends_its_filled_rows(client, held_by_awa, awa):
    client.force_login(awa)
    url = reverse("send_choices", args=[held_by_awa.pk])
    page = client.get(url).content.decode()
    assert page.count('name="title"') == 10
    fields = {"message": "Où ?", "kind": "list", "button": "", "title": ["Rabat", "", "Fès"]}
    response = client.post(url, fields | {"description": ["Agdal", "", ""]})
    assert response.status_code == 302
    event = held_by_awa.events.filter(metadata__has_key="choices").get()
    assert [item["title"] for item in event.metadata["choices"]["items"]] == ["Rabat", "Fès"]


def test_a_refused_form_keeps_what_was_typed(client, held_by_awa, awa):
    client.force_login(awa)
    url = reverse("send_choices", args=[held_by_awa.pk])
    response = client.post(url, {"message": "Où ?", "kind": "buttons", "title": ["x" * 21, "Rabat"]})
    page = response.content.decode()
    assert response.status_code == 422
    assert "Où ?" in page and 'value="Rabat"' in page and "Choix 1" in page


def test_a_tap_is_tied_to_its_question(ask, clock):
    question = ask().json()["event_id"]
    tapped = taps(question, "choice-2", "Non", at=clock.passes(seconds=5))
    assert tapped.metadata["choice"] == {
        "title": "Non",
        "question": question,
        "quote": "Vous venez demain ?",
    }
    html = fragments.message(tapped)
    assert f'href="#message-{question}"' in html
    assert "Vous venez demain ?" in html


def test_a_second_tap_and_one_after_a_newer_question_are_late(ask, clock):
    first = ask().json()["event_id"]
    assert "late" not in taps(first, at=clock.passes(seconds=5)).metadata["choice"]
    again = taps(first, "choice-2", "Non", at=clock.passes(seconds=5))
    assert again.metadata["choice"]["late"]
    assert "après coup" in fragments.message(again)
    second, third = ask("À 9 h ?").json()["event_id"], ask("À 10 h ?").json()["event_id"]
    assert taps(second, at=clock.passes(seconds=5)).metadata["choice"]["late"]
    assert "late" not in taps(third, at=clock.passes(seconds=5)).metadata["choice"]


def test_a_tap_on_something_else_is_an_ordinary_message(held_by_awa, clock):
    tap = message("Oui", tap=Tap("SM" + "f" * 32, "choice-1"))
    ingest([tap], at=clock.now)
    assert "choice" not in ConversationEvent.objects.get(message_sid=tap.sid).metadata


def test_a_resent_question_keeps_its_choices(ask, held_by_awa, awa, clock):
    question = ConversationEvent.objects.get(pk=ask().json()["event_id"])
    MessageDelivery.objects.filter(event=question).update(state="failed", error_code=63012)
    resent = held_by_awa.resend(question, agent=awa, at=clock.now)
    assert resent.event.metadata["choices"] == question.metadata["choices"]
