"""An agent sends a template: in the window or outside, with its text in the history, once."""

import json
from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.utils import timezone

from relais.content_templates.synchronisation import TemplateRecord, store_templates
from relais.conversations.events import BOT
from relais.conversations.list_rows import message_preview
from relais.conversations.models import ConversationEvent, MessageDelivery
from relais.conversations.outbound_templates import Template
from relais.conversations.template_variables import suggested_values, variable_fields

pytestmark = pytest.mark.usefixtures("clock_starts_now")
READY, PAUSED, CARD = ("HX" + letter * 32 for letter in "abc")
TEXT = "Bonjour Fatou, votre Clio est prête."


def record(sid, name, status="approved", **types):
    return TemplateRecord(sid, name, "fr", types, {}, {"status": status, "category": "UTILITY"})


@pytest.fixture(autouse=True)
def templates(db):
    actions = [{"type": "QUICK_REPLY", "title": "Je viens", "id": "y"}]
    store_templates(
        [
            record(
                READY, "vehicule_pret", **{"twilio/text": {"body": "Bonjour {{1}}, votre {{2}} est prête."}}
            ),
            record(PAUSED, "avis", "paused", **{"twilio/text": {"body": "Votre avis ?"}}),
            record(CARD, "rdv", **{"twilio/quick-reply": {"body": "Demain, {{1}} ?", "actions": actions}}),
        ],
        at=timezone.now(),
    )


@pytest.fixture
def page(awa):
    browser = Browser()
    browser.force_login(awa)
    return browser


def close_window(conversation):
    type(conversation).objects.filter(client=conversation.client_id).update(
        last_inbound_at=timezone.now() - timedelta(hours=25)
    )


def send(page, conversation, sid=READY, variables=None, **fields):
    variables = {"1": "Fatou", "2": "Clio"} if variables is None else variables
    return page.post(
        f"/dashboard/chat/{conversation.pk}/send-template",
        {"content_sid": sid, "variables": json.dumps(variables), **fields},
        HTTP_ACCEPT="application/json",
    )


def test_it_is_sent_with_its_text_in_the_history(page, held_by_awa):
    answer = send(page, held_by_awa, ref="r1").json()
    assert (answer["success"], answer["status"]) == (True, "queued")
    event = ConversationEvent.objects.get(pk=answer["event_id"])
    assert (event.event_type, event.body) == ("agent_message", TEXT)
    assert event.metadata["content_sid"] == READY
    assert event.metadata["content_variables"] == {"1": "Fatou", "2": "Clio"}
    assert TEXT in answer["html"] and READY not in answer["html"]
    assert message_preview(held_by_awa).text == TEXT


def test_outside_the_window_it_is_all_that_may_be_sent(page, held_by_awa):
    close_window(held_by_awa)
    text = page.post(
        f"/dashboard/chat/{held_by_awa.pk}/send", {"message": "Bonjour"}, HTTP_ACCEPT="application/json"
    )
    assert text.json()["code"] == "window_closed"
    assert send(page, held_by_awa).json()["success"] is True


def test_variables_come_as_a_json_body_too(page, held_by_awa):
    response = page.post(
        f"/dashboard/chat/{held_by_awa.pk}/send-template",
        {"content_sid": READY, "variables": {"1": "Fatou", "2": "Clio"}},
        content_type="application/json",
        HTTP_ACCEPT="application/json",
    )
    assert ConversationEvent.objects.get(pk=response.json()["event_id"]).body == TEXT


def test_the_same_ref_sends_nothing_more(page, held_by_awa):
    first, second = (send(page, held_by_awa, ref="r1").json() for _ in range(2))
    assert first["event_id"] == second["event_id"]
    assert held_by_awa.events.filter(event_type="agent_message").count() == 1


@pytest.mark.parametrize(
    ("sid", "variables", "code"),
    [
        ("HX" + "9" * 32, {}, "template_unknown"),
        ("", {}, "template_unknown"),
        (PAUSED, {}, "template_not_approved"),
        (READY, {"1": "Fatou", "2": " "}, "variables_missing"),
        (READY, [], "variables_missing"),
    ],
)
def test_refusals_have_the_code_of_the_contract(page, held_by_awa, sid, variables, code):
    response = send(page, held_by_awa, sid, variables)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert not held_by_awa.events.filter(event_type="agent_message").exists()


def test_missing_variables_are_named(page, held_by_awa):
    response = send(page, held_by_awa, READY, {"1": "Fatou"}).json()
    assert response["variables"] == ["2"]
    assert "{{2}}" in response["error"]


def test_only_the_holder_sends(page, awa, koffi, held_by_awa, waiting, clock):
    held_by_awa.release(awa, at=clock.now)
    assert send(page, held_by_awa).status_code == 403
    held_by_awa.take_over(koffi, at=clock.now)
    assert send(page, held_by_awa).status_code == 403


def test_an_ended_conversation_is_a_conflict(page, awa, held_by_awa, clock):
    held_by_awa.close(awa, at=clock.now, tell_client=False)
    assert (send(page, held_by_awa).status_code, send(page, held_by_awa).json()["code"]) == (409, "ended")


def test_out_of_reach_is_404(yao, sales, held_by_awa):
    type(held_by_awa).objects.filter(pk=held_by_awa.pk).update(team=sales)
    browser = Browser()
    browser.force_login(yao)
    path = f"/dashboard/chat/{held_by_awa.pk}/send-template"
    assert send(browser, held_by_awa).status_code == browser.get(path).status_code == 404


def test_a_client_who_opted_out_gets_none(page, held_by_awa, clock):
    held_by_awa.client.opt_out(held_by_awa.sender, at=clock.now, address=held_by_awa.address)
    response = send(page, held_by_awa)
    assert (response.status_code, response.json()["code"]) == (422, "opted_out")


def test_it_can_be_undone_like_a_text(page, awa, held_by_awa):
    type(awa).objects.filter(pk=awa.pk).update(undo_seconds=10)
    answer = send(page, held_by_awa, undo="1").json()
    undone = page.post(
        f"/dashboard/chat/{held_by_awa.pk}/undo-send",
        {"event": answer["event_id"]},
        HTTP_ACCEPT="application/json",
    )
    assert undone.json()["success"] is True
    assert MessageDelivery.objects.get(event=answer["event_id"]).reason == "undone"


def test_sent_again_it_is_the_same_template(page, awa, held_by_awa, clock):
    sent = held_by_awa.send_template_as_agent(CARD, {"1": "Fatou"}, agent=awa, at=clock.now)
    MessageDelivery.objects.update(state="failed")
    again = held_by_awa.resend(sent.event, agent=awa, at=clock.now)
    assert (again.event.body, again.event.metadata["content_sid"]) == ("Demain, Fatou ?", CARD)
    assert again.event.metadata["template"]["buttons"][0]["title"] == "Je viens"


def test_the_bots_template_shows_its_text_when_it_is_known(with_bot, clock):
    known = with_bot.send_as_program("", by=BOT, at=clock.now, template=Template(CARD, {"1": "Fatou"}))
    assert known.event.body == "Demain, Fatou ?"
    unknown = with_bot.send_as_program("", by=BOT, at=clock.now, template=Template("HX" + "9" * 32, {}))
    assert (unknown.event.body, unknown.event.metadata) == (
        "",
        {"content_sid": "HX" + "9" * 32, "content_variables": {}},
    )


class TestWithoutScripts:
    def test_a_template_is_found_chosen_filled_and_sent(self, page, held_by_awa):
        path = f"/dashboard/chat/{held_by_awa.pk}/send-template"
        listed = page.get(path, {"q": "prete"}).content.decode()
        assert "vehicule_pret" in listed and "rdv" not in listed and "avis" not in listed
        form = page.get(path, {"content_sid": READY}).content.decode()
        assert 'name="variables[1]" value="Fatou"' in form
        fields = {"content_sid": READY, "variables[1]": "Fatou", "variables[2]": "Clio", "ref": "r"}
        assert page.post(path, fields).status_code == 302
        assert held_by_awa.events.get(event_type="agent_message").body == TEXT

    def test_a_refusal_keeps_what_was_typed(self, page, held_by_awa):
        path = f"/dashboard/chat/{held_by_awa.pk}/send-template"
        response = page.post(path, {"content_sid": READY, "variables[2]": "Clio"})
        assert response.status_code == 422
        assert 'name="variables[2]" value="Clio"' in response.content.decode()

    def test_an_unknown_template_is_404(self, page, held_by_awa):
        path = f"/dashboard/chat/{held_by_awa.pk}/send-template"
        assert page.get(path, {"content_sid": PAUSED}).status_code == 404


def test_values_are_proposed_from_the_card(awa, held_by_awa):
    from relais.content_templates.models import ContentTemplate

    client = held_by_awa.client
    client.attributes, client.vin = {"Véhicule": "Clio V", "km": 4}, "VF1RJA00067123456"
    values = suggested_values(client, awa)
    fields = variable_fields(ContentTemplate.objects.get(content_sid=READY), values)
    assert [(each.name, each.value) for each in fields] == [("1", client.name.split()[0]), ("2", "Clio V")]
    assert ("VIN", "VF1RJA00067123456") in [(each.label, each.value) for each in values]
