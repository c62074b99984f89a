"""Choosing several rows in a real browser: pointer, keyboard and touch, the result, and rows that change meanwhile."""

import pytest
from playwright.sync_api import expect

from relais.conversations.models import Conversation
from tests.accessibility import THEMES, WIDE, in_theme, violations
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


@pytest.fixture
def conversations(fatou_writes):
    """With the bot; the last one is on top of the list."""
    return [
        fatou_writes("bonjour", address=f"whatsapp:+22507000000{n}", name=f"Client {n}")
        for n in range(10, 15)
    ]


def test_a_range_is_taken_over_and_the_refused_are_listed(run_story, awa, koffi, conversations, clock):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/active")
        expect_live(page)
        bar = page.get_by_role("form", name="Plusieurs conversations")
        expect(bar).to_be_hidden()
        page.locator(".row").first.hover()
        page.get_by_role("checkbox", name="Choisir Client 14").click()
        page.get_by_role("checkbox", name="Choisir Client 11").click(modifiers=["Shift"])
        expect(bar).to_contain_text("4 conversations choisies")

        # A colleague is faster; the row is replaced and stays chosen.
        conversations[2].take_over(koffi, at=clock.now)
        expect(page.locator(f"#row-{conversations[2].pk}")).to_contain_text("Koffi Mensah")
        expect(page.get_by_role("checkbox", name="Choisir Client 12")).to_be_checked()
        bar.get_by_role("button", name="Prendre en charge").click()
        result = page.get_by_role("dialog")
        expect(result).to_contain_text("3 conversations traitées")
        expect(result.get_by_role("listitem")).to_have_count(1)
        expect(result.get_by_role("listitem")).to_contain_text("Koffi Mensah a pris cette conversation")
        result.get_by_role("button", name="Fermer").click()
        expect(bar).to_contain_text("1 conversation choisie")
        assert Conversation.objects.held_by(awa).count() == 3

    run_story(story)


def test_by_keyboard_several_are_tagged(run_story, awa, conversations):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/active")
        expect_live(page)
        page.get_by_role("link", name="Client 14", exact=True).focus()
        page.keyboard.press("x")
        page.get_by_role("link", name="Client 12", exact=True).focus()
        page.keyboard.press("Shift+X")
        expect(page.locator(".row__select:checked")).to_have_count(3)
        page.get_by_role("button", name="Étiqueter").press("Enter")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Ajouter l'étiquette").fill("Relance")
        page.keyboard.press("Enter")
        expect(page.locator(".row .tag")).to_have_text(["Relance"] * 3)
        expect(page.locator(".row__select:checked")).to_have_count(0)
        page.get_by_role("link", name="Client 14", exact=True).focus()
        page.keyboard.press("x")
        page.keyboard.press("Escape")
        expect(page.locator(".row__select:checked")).to_have_count(0)

    run_story(story)


def test_on_a_phone_rows_are_chosen_by_a_tap(run_story, awa, conversations):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(
            awa, "/dashboard/active", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
        )
        expect_live(page)
        page.get_by_role("button", name="Sélectionner").tap()
        for name in ("Client 14", "Client 13"):
            page.get_by_role("link", name=name, exact=True).tap()
        expect(page.locator("[data-bulk-count]")).to_have_text("2 conversations choisies")
        page.get_by_role("button", name="Ne plus rien choisir").tap()
        expect(page.get_by_role("form", name="Plusieurs conversations")).to_be_hidden()

        row = page.locator(".row").first
        row.dispatch_event("pointerdown", {"pointerType": "touch"})
        expect(page.locator("[data-bulk-count]")).to_have_text("1 conversation choisie")

    run_story(story)


def test_beside_a_conversation_several_are_chosen_too(run_story, awa, koffi, conversations, clock):
    """By pointer and by keyboard; another tab begins anew."""

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{conversations[0].pk}?tab=all")
        expect_live(page)
        page.evaluate("window.isSameDocument = true")
        page.locator(".row").first.hover()
        bar = page.get_by_role("form", name="Plusieurs conversations")
        page.get_by_role("checkbox", name="Choisir Client 14").click()
        page.get_by_role("checkbox", name="Choisir Client 12").click(modifiers=["Shift"])
        expect(bar).to_contain_text("3 conversations choisies")
        conversations[2].take_over(koffi, at=clock.now)  # the row is replaced and stays chosen
        expect(page.locator(f"#row-{conversations[2].pk}")).to_contain_text("Koffi Mensah")
        bar.get_by_role("button", name="Prendre en charge").click()
        result = page.get_by_role("dialog")
        expect(result).to_contain_text("2 conversations traitées")
        expect(result.get_by_role("listitem")).to_contain_text("Koffi Mensah a pris cette conversation")
        result.get_by_role("button", name="Fermer").click()
        expect(bar).to_contain_text("1 conversation choisie")

        page.locator("[data-tab=bot]").click()
        expect(page.locator(".desk__list .row")).to_have_count(2)
        expect(bar).to_be_hidden()
        page.get_by_role("link", name="Client 11", exact=True).focus()
        page.keyboard.press("x")
        expect(bar).to_contain_text("1 conversation choisie")
        bar.get_by_role("button", name="Étiqueter").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Ajouter l'étiquette").fill("Relance")
        page.keyboard.press("Enter")
        expect(page.locator(f"#row-{conversations[1].pk} .tag")).to_have_text("Relance")
        assert page.evaluate("isSameDocument")

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_beside_a_conversation_it_is_accessible(run_story, theme, awa, conversations):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{conversations[0].pk}?tab=all", in_theme(theme))
        expect_live(page)
        page.set_viewport_size(WIDE)
        page.locator(".row").first.hover()
        page.get_by_role("checkbox", name="Choisir Client 14").click()
        expect(page.get_by_role("form", name="Plusieurs conversations")).to_be_visible()
        assert list(violations(page, theme, "several chosen beside a conversation")) == []

    run_story(story)
