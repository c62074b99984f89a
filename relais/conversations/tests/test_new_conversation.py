"""An agent writes first: held by the agent, once, and never beside an open conversation."""

import json
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone
from playwright.sync_api import expect

from relais.clients.models import Client, ClientAddress
from relais.content_templates.synchronisation import TemplateRecord, store_templates
from relais.conversations.models import Conversation
from relais.conversations.new_conversation import AlreadyOpen, start_conversation
from tests.browser import Browsers, expect_live
from tests.cast import FATOU, event_types_of

pytestmark = pytest.mark.usefixtures("clock_starts_now")
PATH = "/dashboard/conversations/new"
SID = "HX" + "a" * 32
NUMBER = "+212 6 12 34 56 78"
TEXT = "Bonjour Salma, à demain."


@pytest.fixture(autouse=True)
def template(db):
    types = {"twilio/text": {"body": "Bonjour {{1}}, à demain."}}
    approval = {"status": "approved", "category": "UTILITY"}
    store_templates([TemplateRecord(SID, "rappel", "fr", types, {}, approval)], at=timezone.now())


@pytest.fixture
def page(awa):
    browser = Browser()
    browser.force_login(awa)
    return browser


def start(page, *, json_answer=True, **fields):
    fields = {"phone_number": NUMBER, "content_sid": SID, "variables": json.dumps({"1": "Salma"})} | fields
    return page.post(PATH, fields, **({"HTTP_ACCEPT": "application/json"} if json_answer else {}))


@pytest.mark.django_db
class TestVerb:
    def test_it_opens_held_by_the_agent_with_the_template(self, page, awa):
        answer = start(page).json()
        conversation = Conversation.objects.get()
        assert (answer["success"], answer["conversation_id"]) == (True, conversation.pk)
        assert conversation.is_held_by(awa)
        assert conversation.address.address == "whatsapp:+212612345678"
        assert event_types_of(conversation) == ["conversation_started", "agent_message"]
        assert conversation.events.last().body == TEXT
        page_text = page.get(f"/dashboard/chat/{conversation.pk}").content.decode()
        assert "Awa Diop a commencé la conversation" in page_text

    def test_a_known_client_is_the_same_client(self, page, ended):
        type(ended).objects.filter(pk=ended.pk).update(last_inbound_at=timezone.now() - timedelta(days=3))
        answer = start(page, phone_number="", client=str(ended.client_id)).json()
        assert Conversation.objects.get(pk=answer["conversation_id"]).client_id == ended.client_id
        assert Client.objects.count() == 1

    def test_an_open_one_is_shown_instead(self, page, waiting):
        response = start(page, phone_number=FATOU)
        assert (response.status_code, response.json()["code"]) == (409, "already_open")
        assert response.json()["conversation_id"] == waiting.pk
        shown = start(page, json_answer=False, phone_number=FATOU)
        assert (shown.status_code, shown["Location"]) == (302, f"/dashboard/chat/{waiting.pk}")
        assert Conversation.objects.count() == 1

    def test_one_out_of_reach_is_not_named(self, page, waiting, sales):
        type(waiting).objects.filter(pk=waiting.pk).update(team=sales)
        response = start(page, phone_number=FATOU)
        assert (response.status_code, response.json()["code"]) == (409, "not_available")
        assert "conversation_id" not in response.json()

    def test_the_same_ref_opens_nothing_more(self, page):
        first, second = (start(page, ref="r1").json() for _ in range(2))
        assert first["conversation_id"] == second["conversation_id"]
        assert Conversation.objects.get().events.filter(event_type="agent_message").count() == 1

    @pytest.mark.parametrize("number", ["12", "abc", "+212 1", ""])
    def test_an_invalid_number(self, page, number):
        response = start(page, phone_number=number)
        assert (response.status_code, response.json()["code"]) == (422, "phone_number")

    def test_a_local_number_is_one_of_the_country_of_our_number(self, page, settings):
        from dataclasses import replace

        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, whatsapp_number="whatsapp:+212522000000")
        start(page, phone_number="06 12 34 56 78")
        assert Conversation.objects.get().address.address == "whatsapp:+212612345678"

    def test_a_client_without_a_number(self, page):
        client = Client.objects.create()
        ClientAddress.objects.create(client=client, address="whatsapp:fatou.d", match_key="whatsapp:fatou.d")
        response = start(page, phone_number="", client=str(client.pk))
        assert (response.status_code, response.json()["code"]) == (422, "client")
        assert "pas de numéro" in response.json()["error"]

    def test_a_client_out_of_reach_is_404(self, page, ended, sales):
        type(ended).objects.filter(pk=ended.pk).update(team=sales)
        assert start(page, phone_number="", client=str(ended.client_id)).status_code == 404

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"content_sid": "HX" + "9" * 32}, "template_unknown"),
            ({"variables": "{}"}, "variables_missing"),
        ],
    )
    def test_a_refused_template_opens_nothing(self, page, fields, code):
        response = start(page, **fields)
        assert (response.status_code, response.json()["code"]) == (422, code)
        assert not Conversation.objects.exists() and not Client.objects.exists()

    def test_a_client_who_opted_out_gets_none(self, page, ended):
        ended.client.opt_out(ended.sender, at=timezone.now(), address=ended.address)
        response = start(page, phone_number=FATOU)
        assert (response.status_code, response.json()["code"]) == (422, "opted_out")
        assert not Conversation.objects.exclude(pk=ended.pk).exists()

    def test_without_scripts_it_takes_two_steps(self, page):
        first = page.get(PATH).content.decode()
        assert f'value="{SID}"' in first
        second = page.get(PATH, {"phone_number": NUMBER, "content_sid": SID}).content.decode()
        assert 'name="variables[1]"' in second
        refused = page.post(PATH, {"phone_number": NUMBER, "content_sid": SID, "variables[1]": ""})
        assert refused.status_code == 422
        sent = page.post(PATH, {"phone_number": NUMBER, "content_sid": SID, "variables[1]": "Salma"})
        assert sent["Location"] == f"/dashboard/chat/{Conversation.objects.get().pk}"

    def test_templates_are_searched_by_name_and_text(self, page):
        other = {"twilio/text": {"body": "Votre véhicule est prêt."}}
        approval = {"status": "approved", "category": "UTILITY"}
        store_templates(
            [TemplateRecord("HX" + "b" * 32, "vehicule_pret", "fr", other, {}, approval)], at=timezone.now()
        )
        for query, is_found in (("vehicule", True), ("VÉHICULE prêt", True), ("prêt inconnu", False)):
            text = page.get(PATH, {"q": query, "phone_number": NUMBER}).content.decode()
            assert f'value="{NUMBER}"' in text
            assert ("HX" + "b" * 32 in text) == is_found
            assert SID not in text
            assert ("data-template-none hidden" in text) == is_found

    def test_a_wrong_number_is_said_before_the_second_step(self, page):
        response = page.get(PATH, {"phone_number": "12", "content_sid": SID})
        assert response.status_code == 422 and 'name="variables[1]"' not in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_two_agents_at_once_one_opens_and_the_other_is_shown_it(awa, koffi):
    barrier, outcomes = threading.Barrier(2), {}

    def run(agent):
        try:
            barrier.wait()
            sent = start_conversation(
                "whatsapp:+212612345678",
                agent=agent,
                content_sid=SID,
                variables={"1": "Salma"},
                at=timezone.now(),
            )
            outcomes[agent.pk] = ("opened", sent.conversation_id)
        except AlreadyOpen as refusal:
            outcomes[agent.pk] = ("shown", refusal.conversation_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[agent]) for agent in (awa, koffi)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    conversation = Conversation.objects.get()
    assert sorted(outcomes.values()) == [("opened", conversation.pk), ("shown", conversation.pk)]
    assert Client.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_in_a_browser_it_is_opened_from_the_list_and_previewed(run_story, awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/active")
        expect_live(page)
        page.get_by_role("link", name="Nouvelle conversation").click()
        page.get_by_label("Numéro WhatsApp").fill(NUMBER)
        search = page.get_by_role("searchbox", name="Nom ou texte")
        search.fill("introuvable")
        expect(page.get_by_role("radio")).to_have_count(0)
        expect(page.get_by_text("Aucun modèle ne correspond.")).to_be_visible()
        search.fill("DEMAIN")
        search.press("Enter")
        expect(page.get_by_role("radio", name="rappel")).to_be_focused()
        expect(page.get_by_role("radio", name="rappel")).to_be_checked()
        page.get_by_role("button", name="Continuer").click()
        field = page.get_by_label("Variable {{1}}")
        field.fill("Salma")
        expect(page.get_by_role("group", name="Aperçu")).to_contain_text(TEXT)
        page.get_by_role("button", name="Envoyer le modèle").click()
        expect(page.locator(".message").last).to_contain_text(TEXT)

    run_story(story)
