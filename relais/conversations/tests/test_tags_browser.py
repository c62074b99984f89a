"""Tags in a real browser: the picker by keyboard and by click, seen by a colleague at once."""

import re

import pytest
from playwright.sync_api import expect

from relais.conversations.tags import Tag
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


def test_tags_by_keyboard_are_seen_by_a_colleague_at_once(run_story, awa, koffi, chat, held_by_awa, clock):
    held_by_awa.change_tags(add=["Devis", "Véhicule neuf"], by=awa, at=clock.now)

    def story(browsers: Browsers) -> None:
        page, colleague = browsers.open_page(awa, chat), browsers.open_page(koffi, chat)
        listed = browsers.open_page(koffi, "/dashboard/active")
        expect_live(page, colleague, listed)
        page.locator(".thread").focus()
        page.keyboard.press("t")
        field = page.get_by_role("combobox", name="Ajouter ou retirer une étiquette")
        expect(field).to_be_focused()
        expect(page.get_by_role("option")).to_have_count(2)

        # Accents do not matter; Enter removes what the conversation has.
        field.press_sequentially("vehi")
        expect(page.get_by_role("option", selected=True)).to_have_text(["Véhicule neuf"])
        field.press("Enter")
        expect(field).to_have_value("")
        expect(page.get_by_role("option", selected=True)).to_have_text(["Devis"])

        # A new name is made, also while the colleague's change arrives.
        field.press_sequentially("Rappeler demain")
        expect(page.get_by_role("option")).to_have_text([re.compile("Créer l.étiquette .*Rappeler demain")])
        field.press("Enter")
        expect(page.get_by_role("option", selected=True)).to_have_text(["Devis", "Rappeler demain"])
        expect(field).to_be_focused()

        page.keyboard.press("Escape")
        panel = page.locator("#client .client__tags .tag")
        expect(panel).to_have_text(["Devis", "Rappeler demain"])
        for tags in (colleague.locator("#client .client__tags .tag"), listed.locator(".row .tag")):
            expect(tags).to_have_text(["Devis", "Rappeler demain"])
        expect(colleague.locator(".line--tags_changed").last).to_contain_text("Awa Diop a ajouté l'étiquette")
        expect(colleague.locator(".line--tags_changed")).to_have_count(3)

    run_story(story)


def test_a_click_chooses_and_a_click_on_a_tag_filters(run_story, awa, chat, held_by_awa, fatou_writes):
    Tag.objects.create(name="Devis", color="pink")
    fatou_writes("Bonjour", address="whatsapp:+2250700000099", name="Ibrahim")

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat, viewport={"width": 390, "height": 844}, has_touch=True)
        page.get_by_role("link", name="Fiche du client").click()
        page.get_by_role("button", name="Changer les étiquettes").click()
        page.get_by_role("option", name="Devis").click()
        expect(page.get_by_role("option", selected=True)).to_have_count(1)
        page.get_by_role("button", name="Fermer", exact=True).click()
        page.locator("#client").get_by_role("link", name="Devis").click()
        expect(page).to_have_url(re.compile(r"/dashboard/conversations\?tag=Devis$"))
        expect(page.locator(".row")).to_have_count(1)
        expect(page.get_by_label("Étiquette")).to_have_value("Devis")

    run_story(story)


def test_a_refusal_is_a_sentence_in_the_picker(run_story, awa, chat, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        page.get_by_role("button", name="Changer les étiquettes").click()
        for n in range(21):
            held_by_awa.change_tags(add=[f"n{n}"], by=awa, at=held_by_awa.started_at) if n < 20 else None
        page.get_by_role("combobox").fill("une de plus")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("au plus 20 étiquettes")

    run_story(story, allow_console_errors="422")


def test_a_refresh_under_way_does_not_close_the_picker(run_story, awa, chat, held_by_awa):
    panels = re.compile(r"/situation$")

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        held_back = []
        page.route(panels, lambda route: held_back.append(route))
        with page.expect_request(panels):
            held_by_awa.change_tags(add=["Devis"], by=awa, at=held_by_awa.started_at)
        page.locator(".thread").focus()
        page.keyboard.press("t")
        picker = page.get_by_role("dialog", name="Étiquettes")
        expect(picker).to_be_visible()
        with page.expect_response(panels):
            held_back[0].continue_()
        page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 300))")
        expect(picker).to_be_visible()
        page.unroute(panels)
        page.keyboard.press("Escape")
        expect(page.locator("#client .client__tags .tag")).to_have_text(["Devis"])

    run_story(story)
