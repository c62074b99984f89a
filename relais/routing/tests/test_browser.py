"""The state switch in a browser: on all the user's pages at once, by keyboard, on a phone; accessible."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from relais.company import company_settings
from relais.conversations.events import BOT
from relais.routing.agent_states import current_state
from tests.accessibility import NARROW, THEMES, in_theme, violations
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


def switch(page):
    return page.locator(".sidebar [data-key=e]")


def dialog(page):
    return page.get_by_role("dialog", name="Mon état")


def open_dialog(page):
    page.keyboard.press("e")
    expect(dialog(page)).to_be_visible()
    expect(page.locator("script[src*=agent_state_dialog]")).to_have_count(1)
    page.wait_for_load_state("networkidle")


def test_the_state_changes_on_all_pages_of_the_user(run_story, awa, koffi, held_by_awa):
    company_settings.set_value(company_settings.BREAK_REASONS, ["Déjeuner", "Réunion"])

    def story(browsers: Browsers) -> None:
        chat, board = (
            browsers.open_page(awa, path) for path in (f"/dashboard/chat/{held_by_awa.pk}", "/dashboard")
        )
        colleague = browsers.open_page(koffi, "/dashboard")
        expect_live(chat, board, colleague)
        for page in (chat, board, colleague):
            expect(switch(page)).to_contain_text("En ligne")

        chat.evaluate("window.isSamePage = true")
        chat.locator("[data-thread]").focus()
        open_dialog(chat)
        expect(dialog(chat)).to_contain_text("1 en charge sur 5")
        dialog(chat).get_by_label("Motif de la pause").select_option("Déjeuner")
        dialog(chat).get_by_role("button", name="Pause", exact=True).click()
        expect(dialog(chat)).to_have_count(0)
        for page in (chat, board):
            expect(switch(page)).to_contain_text("Déjeuner")
            expect(switch(page).locator(".agent-dot")).to_have_attribute("data-agent-state", "break")
        assert chat.evaluate("window.isSamePage") is True

        board.reload()
        expect(switch(board)).to_contain_text("Déjeuner")
        switch(board).click()
        expect(dialog(board)).to_contain_text("Pause (Déjeuner)")
        expect(board.locator("script[src*=agent_state_dialog]")).to_have_count(1)
        board.wait_for_load_state("networkidle")
        dialog(board).get_by_role("button", name="En ligne").click()
        for page in (chat, board):
            expect(switch(page)).to_contain_text("En ligne")
        expect(switch(colleague)).to_contain_text("En ligne")

    run_story(story)
    state = current_state(awa, at=timezone.now())
    assert (state.state, state.cause) == ("online", "hand")


def test_on_a_phone_the_state_is_at_the_account_and_in_its_menu(run_story, awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard", viewport=NARROW)
        expect_live(page)
        dot = page.locator(".sidebar__account .agent-dot")
        expect(dot).to_have_attribute("data-agent-state", "online")
        expect(dot).to_be_visible()
        page.get_by_role("button", name=re.compile("Compte de Awa")).click()
        page.locator("#account-menu [data-own-state]").click()
        expect(dialog(page)).to_be_visible()
        expect(page.locator("script[src*=agent_state_dialog]")).to_have_count(1)
        page.wait_for_load_state("networkidle")
        dialog(page).get_by_role("button", name="Absent").click()
        expect(dot).to_have_attribute("data-agent-state", "away")

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_the_dialog_and_its_page_are_accessible(run_story, awa, theme):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard", in_theme(theme))
        expect_live(page)
        open_dialog(page)
        problems = list(violations(page, theme, "dialog"))
        page.goto(browsers.url + "/dashboard/presence")
        problems += violations(page, theme, "page")
        assert problems == []

    run_story(story)


def test_next_opens_the_longest_waiting_client_and_says_when_nobody_waits(run_story, awa, koffi, waiting):
    def story(browsers: Browsers) -> None:
        page, colleague = (
            browsers.open_page(awa, "/dashboard"),
            browsers.open_page(koffi, "/dashboard/pending"),
        )
        expect_live(page, colleague)
        page.keyboard.press("s")
        expect(page).to_have_url(re.compile(f"/dashboard/chat/{waiting.pk}$"))
        expect(page.locator("#thread")).to_contain_text("a pris le client suivant")
        expect(colleague.locator(".row")).to_have_count(0)
        colleague.get_by_role("main").get_by_role("button", name="Suivant").click()
        expect(colleague.get_by_text("Personne n'attend.").last).to_be_visible()
        expect(colleague.locator("#notices")).to_contain_text("Personne n'attend.")

    run_story(story)


def test_next_on_the_page_of_a_conversation_changes_the_panes_alone(
    run_story, awa, held_by_awa, fatou_writes
):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000009", name="Aya")
    other.ask_for_agent(by=BOT, at=timezone.now())

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        page.evaluate("window.isSamePage = true")
        page.locator("[data-thread]").focus()
        page.keyboard.press("s")
        expect(page).to_have_url(re.compile(f"/dashboard/chat/{other.pk}$"))
        expect(page.locator("#thread")).to_contain_text("a pris le client suivant")
        assert page.evaluate("window.isSamePage") is True

    run_story(story)
