"""Snoozing in a real browser: the choices, the lists of the holder, and the client who writes."""

import re

import pytest
from playwright.sync_api import expect

from relais.conversations.models import Conversation
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


def test_a_snoozed_conversation_leaves_the_list_and_returns_with_the_reason(
    run_story, awa, chat, held_by_awa, fatou_writes
):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        mine = browsers.open_page(awa, "/dashboard/active?tab=mine")
        expect_live(page, mine)
        expect(mine.locator(".row")).to_have_count(1)
        page.locator(".thread").focus()
        page.keyboard.press("p")
        page.get_by_role("dialog").get_by_role("button", name="Jusqu'à la réponse du client").click()
        expect(page).to_have_url(re.compile("/dashboard/active$"))
        expect(page.locator(".notice").first).to_contain_text("En pause")
        expect(page.locator(".row")).to_contain_text("en pause jusqu'à sa réponse")
        expect(mine.locator(".row")).to_have_count(0)

        fatou_writes("me voici")
        expect(mine.locator(".row")).to_contain_text("le client a répondu")

    run_story(story)


def test_a_date_is_one_of_the_reader_and_the_pause_can_be_ended(run_story, awa, chat, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat, timezone_id="Asia/Dubai")
        page.get_by_role("button", name="Mettre en pause").click()
        dialog = page.get_by_role("dialog")
        field = dialog.get_by_label("À une date")
        day = field.get_attribute("max")[:10]
        field.fill(f"{day}T08:30")
        dialog.get_by_role("button", name="Mettre en pause").click()
        expect(page.locator(".row")).to_contain_text("à 08:30")
        assert Conversation.objects.get(pk=held_by_awa.pk).snoozed_until.strftime("%H:%M") == "04:30"
        page.goto(browsers.url + chat)
        expect(page.locator("#chat-header")).to_contain_text("en pause, rappel")
        page.get_by_role("button", name="Mettre en pause").click()
        page.get_by_role("dialog").get_by_role("button", name="Reprendre maintenant").click()
        expect(page.locator("#chat-header")).not_to_contain_text("rappel")
        expect(page.locator(".line--snooze_ended")).to_contain_text("Awa Diop a mis fin à la pause")

    run_story(story)
