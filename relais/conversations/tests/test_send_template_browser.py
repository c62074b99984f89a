"""Templates in a real browser: found by a word, filled from the card, previewed, sent, and seen by a colleague."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from relais.clients.models import Client
from relais.content_templates.synchronisation import TemplateRecord, store_templates
from relais.conversations.models import Conversation
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]
TEXT = "Bonjour Fatou, votre Clio V est prête."


@pytest.fixture(autouse=True)
def templates(db):
    approved = {"status": "approved", "category": "UTILITY"}
    ready = {"twilio/text": {"body": "Bonjour {{1}}, votre {{2}} est prête."}}
    actions = [{"type": "QUICK_REPLY", "title": "Je viens", "id": "y"}]
    reminder = {"twilio/quick-reply": {"body": "Rendez-vous demain ?", "actions": actions}}
    store_templates(
        [
            TemplateRecord("HX" + "a" * 32, "vehicule_pret", "fr", ready, {}, approved),
            TemplateRecord("HX" + "b" * 32, "rappel", "fr", reminder, {}, approved),
        ],
        at=timezone.now(),
    )


def test_it_is_found_filled_previewed_and_sent_and_a_colleague_reads_it(
    run_story, awa, mariam, chat, held_by_awa
):
    Client.objects.filter(pk=held_by_awa.client_id).update(attributes={"véhicule": "Clio"})

    def story(browsers: Browsers) -> None:
        page, colleague = browsers.open_page(awa, chat), browsers.open_page(mariam, chat)
        expect_live(page, colleague)
        page.get_by_role("button", name="Modèle").click()
        dialog = page.get_by_role("dialog")
        search = dialog.get_by_role("searchbox", name="Nom ou texte")
        expect(search).to_be_focused()
        expect(dialog.locator("li")).to_have_count(2)
        search.press_sequentially("PRÊTE")
        expect(dialog.locator("li:visible")).to_have_count(1)
        search.press("ArrowDown")
        expect(dialog.get_by_role("link", name="vehicule_pret")).to_be_focused()
        page.keyboard.press("Enter")
        expect(dialog.get_by_label("Variable {{1}}")).to_have_value("Fatou")
        vehicle = dialog.get_by_label("Variable {{2}}")
        expect(vehicle).to_have_value("Clio")
        vehicle.fill("Clio V")
        expect(dialog.get_by_role("group", name="Aperçu")).to_contain_text(TEXT)
        dialog.get_by_role("button", name="Envoyer le modèle").click()
        expect(dialog).to_have_count(0)
        for each in (page, colleague):
            expect(each.locator(".message").last).to_contain_text(TEXT)
            expect(each.locator(".message", has_text=TEXT)).to_have_count(1)

    run_story(story)


@pytest.fixture
def closed_window(held_by_awa):
    Conversation.objects.filter(pk=held_by_awa.pk).update(
        last_inbound_at=timezone.now() - timedelta(hours=25)
    )


@pytest.mark.usefixtures("closed_window")
def test_with_a_closed_window_it_is_the_only_thing_offered(run_story, awa, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        composer = page.locator("#composer")
        expect(composer.get_by_role("textbox")).to_have_count(0)
        expect(composer).to_contain_text("Envoyez un modèle approuvé")
        composer.get_by_role("button", name="Envoyer un modèle").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("link", name="rappel").click()
        expect(dialog.get_by_role("list", name="Boutons")).to_contain_text("Je viens")
        dialog.get_by_role("button", name="Envoyer le modèle").click()
        expect(page.locator(".message").last).to_contain_text("Rendez-vous demain ?")
        expect(page.locator(".message").last.get_by_role("list", name="Boutons")).to_contain_text("Je viens")

    run_story(story)


@pytest.mark.usefixtures("closed_window")
def test_what_is_typed_on_a_slow_line_is_searched_and_is_no_key_of_the_page(run_story, awa, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        held_back = []
        page.route("**/template_dialog*", lambda route: held_back.append(route))
        page.locator("[data-thread]").focus()
        with page.expect_request("**/template_dialog*"):
            page.keyboard.press("w")
        page.keyboard.type("pt")  # the keys of snoozing and of tags
        expect(page.get_by_role("dialog")).to_have_count(0)
        held_back.pop().continue_()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_have_count(1)
        expect(dialog.get_by_role("searchbox", name="Nom ou texte")).to_be_focused()
        page.keyboard.type("prête")
        expect(dialog.locator("li:visible")).to_have_count(1)

    run_story(story)
