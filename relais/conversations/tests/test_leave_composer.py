"""By keyboard alone: out of the message, where single keys act, and back."""

import pytest
from playwright.sync_api import expect

from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


def test_escape_leaves_the_message_for_the_single_keys(run_story, awa, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        message = page.locator("#chat textarea[name=message]")
        message.focus()
        page.keyboard.type("t")
        page.keyboard.press("Escape")
        expect(page.locator("[data-thread]")).to_be_focused()
        page.keyboard.press("t")
        expect(page.locator("dialog[open]")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
        expect(message).to_have_value("t")
        page.locator("[data-thread]").focus()
        page.keyboard.press("Enter")
        expect(message).to_be_focused()
        expect(message).to_have_value("t")

    run_story(story)


def test_escape_first_closes_the_list_of_quick_replies(run_story, awa, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        message = page.locator("#chat textarea[name=message]")
        message.click()
        message.press_sequentially("/")
        expect(page.locator("[data-reply-list]")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("[data-reply-list]")).to_be_hidden()
        expect(message).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("[data-thread]")).to_be_focused()

    run_story(story)
