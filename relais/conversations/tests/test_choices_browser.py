"""The dialog of choices in a real browser, and the client's tap in the thread."""

import pytest
from playwright.sync_api import expect

from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import Tap
from relais.conversations.models import MessageDelivery
from relais.conversations.tests.test_inbound import message
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


def open_dialog(page):
    page.get_by_role("button", name="Proposer des choix").click()
    dialog = page.get_by_role("dialog", name="Proposer des choix")
    expect(dialog.locator("[data-list-only]").first).to_be_hidden()
    return dialog


def test_an_agent_offers_buttons_and_a_colleague_sees_them_and_the_tap(
    run_story, awa, mariam, chat, held_by_awa, clock
):
    def story(browsers: Browsers) -> None:
        page, supervisor = browsers.open_page(awa, chat), browsers.open_page(mariam, chat)
        expect_live(page, supervisor)
        page.locator("#message").fill("Vous venez demain ?")
        dialog = open_dialog(page)
        expect(dialog.get_by_label("Votre question")).to_have_value("Vous venez demain ?")
        dialog.get_by_label("Choix 1, titre").fill("Oui")
        dialog.get_by_label("Choix 2, titre").fill("Non")
        expect(dialog.locator("[data-preview-choices] > li")).to_have_text(["Oui", "Non"])
        dialog.get_by_role("button", name="Envoyer").click()
        expect(dialog).to_have_count(0)
        expect(page.locator("#message")).to_have_value("")
        for viewer in (page, supervisor):
            expect(viewer.locator(".message--agent .choices__choice")).to_have_text(["Oui", "Non"])
        delivery = held_by_awa.deliveries.get(event__metadata__has_key="choices")
        MessageDelivery.objects.filter(pk=delivery.pk).update(sid="SM" + "d" * 32)
        for title, payload in (("Oui", "choice-1"), ("Non", "choice-2")):
            ingest([message(title, tap=Tap("SM" + "d" * 32, payload))], at=clock.passes(seconds=1))
        for viewer in (page, supervisor):
            answers = viewer.locator(".message--client .choices__answer")
            expect(answers).to_have_count(2)
            expect(answers.first).to_contain_text("Vous venez demain ?")
            expect(answers.last).to_contain_text("après coup")

    run_story(story)


def test_a_list_has_descriptions_and_a_refusal_stays_in_the_dialog(run_story, awa, chat, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        dialog = open_dialog(page)
        dialog.get_by_label("Votre question").fill("Quelle concession ?")
        dialog.get_by_label("Choix 1, titre").fill("Rabat")
        dialog.get_by_role("radio", name="Liste").check()
        dialog.get_by_label("Choix 1, description").fill("Agdal")
        dialog.get_by_label("Choix 2, titre").fill("rabat")
        dialog.get_by_role("button", name="Envoyer").click()
        expect(dialog.get_by_role("alert")).to_contain_text("Choix 2")
        dialog.get_by_label("Choix 2, titre").fill("Fès")
        dialog.get_by_role("button", name="Envoyer").click()
        expect(page.locator(".message--agent .choices__choice")).to_contain_text(["Rabat", "Fès"])
        expect(page.locator(".choices__button")).to_contain_text("Choisir")
        assert held_by_awa.deliveries.filter(event__metadata__has_key="choices").count() == 1

    run_story(story, allow_console_errors="422")
