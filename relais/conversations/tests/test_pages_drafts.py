"""In the browser: drafts on another device, and messages and closings undone before they have left."""

import pytest
from playwright.sync_api import expect

from relais.conversations.models import Conversation, Draft, MessageDelivery
from relais.conversations.tests.test_pages_browser import agent_texts, message_field
from tests.browser import Browsers, expect_live
from tests.web_server import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


@pytest.fixture
def awa(awa):
    awa.undo_seconds = 10
    awa.save()
    return awa


def draft_texts():
    return list(Draft.objects.values_list("text", flat=True))


class TestDrafts:
    def test_another_device_continues_the_draft(self, run_story, awa, chat):
        def story(browsers: Browsers) -> None:
            desktop = browsers.open_page(awa, chat)
            message_field(desktop).press_sequentially("Votre voiture est ")
            wait_until(lambda: draft_texts() == ["Votre voiture est "])
            phone = browsers.open_page(awa, chat, viewport={"width": 390, "height": 844})
            expect(message_field(phone)).to_have_value("Votre voiture est ")
            message_field(phone).press_sequentially("prête")
            wait_until(lambda: draft_texts() == ["Votre voiture est prête"])
            desktop.reload()
            expect(message_field(desktop)).to_have_value("Votre voiture est prête")

        run_story(story)

    def test_a_sent_message_is_no_draft_any_more(self, run_story, awa, chat):
        def story(browsers: Browsers) -> None:
            desktop = browsers.open_page(awa, chat)
            message_field(desktop).press_sequentially("Bonjour")
            wait_until(lambda: draft_texts() == ["Bonjour"])
            phone = browsers.open_page(awa, chat)
            message_field(phone).press("Enter")
            expect(agent_texts(phone)).to_have_text(["Bonjour"])
            wait_until(lambda: draft_texts() == [])
            desktop.reload()
            expect(message_field(desktop)).to_have_value("")

        run_story(story)

    def test_both_texts_stay_when_both_devices_wrote(self, run_story, awa, chat):
        def story(browsers: Browsers) -> None:
            desktop = browsers.open_page(awa, chat)
            expect_live(desktop)
            desktop.route("**/draft", lambda route: route.abort())
            message_field(desktop).press_sequentially("écrit hors ligne")
            phone = browsers.open_page(awa, chat)
            message_field(phone).press_sequentially("écrit au téléphone")
            wait_until(lambda: draft_texts() == ["écrit au téléphone"])
            desktop.unroute("**/draft")
            desktop.reload()
            expect(message_field(desktop)).to_have_value("écrit au téléphone\nécrit hors ligne")

        run_story(story, allow_console_errors="ERR_FAILED")

    def test_the_row_says_that_there_is_a_draft(self, run_story, awa, koffi, chat):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            message_field(page).press_sequentially("Bonjour")
            wait_until(lambda: draft_texts() == ["Bonjour"])
            of_awa = browsers.open_page(awa, "/dashboard/conversations")
            of_koffi = browsers.open_page(koffi, "/dashboard/conversations")
            expect(of_awa.locator(".row").get_by_text("brouillon")).to_be_visible()
            expect(of_koffi.locator(".row")).to_be_visible()
            expect(of_koffi.locator(".row").get_by_text("brouillon")).to_be_hidden()
            message_field(page).fill("")
            wait_until(lambda: draft_texts() == [])
            of_awa.reload()
            expect(of_awa.locator(".row")).to_be_visible()
            expect(of_awa.locator(".row").get_by_text("brouillon")).to_be_hidden()

        run_story(story)


class TestUndo:
    def test_an_undone_message_comes_back_to_the_composer(self, run_story, awa, mariam, chat):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            of_mariam = browsers.open_page(mariam, chat)
            expect_live(page, of_mariam)
            message_field(page).fill("au mauvais client")
            message_field(page).press("Enter")
            expect(agent_texts(of_mariam)).to_have_text(["au mauvais client"])
            expect(of_mariam.get_by_role("button", name="Annuler", exact=True)).to_be_hidden()
            page.get_by_role("button", name="Annuler", exact=True).click()
            expect(message_field(page)).to_have_value("au mauvais client")
            for each in (page, of_mariam):
                expect(each.locator(".message--agent .delivery__word")).to_have_text("Annulé")
            assert MessageDelivery.objects.get(event__body="au mauvais client").reason == "undone"

        run_story(story)

    def test_control_z_in_an_empty_composer_undoes_the_last_message(self, run_story, awa, chat):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            for text in ("un", "deux"):
                message_field(page).fill(text)
                message_field(page).press("Enter")
            expect(page.locator(".delivery__undo:visible")).to_have_count(2)
            message_field(page).press("Control+z")
            expect(message_field(page)).to_have_value("deux")
            assert MessageDelivery.objects.get(event__body="un").state == "queued"

        run_story(story)

    def test_a_closing_is_undone_from_its_notice(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            page.get_by_role("button", name="Clôturer").click()
            page.locator("#close-dialog").get_by_role("button", name="Clôturer").click()
            page.locator("#notices").get_by_role("button", name="Annuler").click()
            expect(message_field(page)).to_be_visible()
            conversation = Conversation.objects.get(pk=held_by_awa.pk)
            assert conversation.agent == awa
            assert conversation.is_open

        run_story(story)


def test_the_holder_transfers_with_a_note(run_story, awa, koffi, chat, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        page.get_by_role("button", name="Transférer").click()
        dialog = page.locator("#transfer-dialog")
        dialog.get_by_label("À qui").select_option(label="Koffi Mensah · Agent")
        dialog.get_by_label("Note pour la suite").fill("Il attend un devis")
        dialog.get_by_role("button", name="Transférer").click()
        expect(page.locator("#notices")).to_contain_text("La conversation est transférée.")
        of_koffi = browsers.open_page(koffi, chat)
        expect(of_koffi.locator("#thread")).to_contain_text("Il attend un devis")
        expect(message_field(of_koffi)).to_be_visible()

    run_story(story)
