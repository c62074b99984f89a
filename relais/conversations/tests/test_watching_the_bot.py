"""Watching the bot at work: what it collected is shown, and one key takes over."""

import pytest
from playwright.sync_api import expect

from relais.conversations.models import Conversation
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


def test_what_the_bot_collected_is_live_and_a_key_takes_over(run_story, awa, with_bot, clock):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{with_bot.pk}")
        expect_live(page)
        with_bot.record_answer("collect_email", user_input="fatou@example.com", at=clock.now)
        collected = page.locator("#client section", has_text="Recueilli par le bot")
        expect(collected).to_contain_text("fatou@example.com")
        page.evaluate("window.isSameDocument = true")
        page.locator("[data-thread]").focus()
        page.keyboard.press("a")
        field = page.get_by_role("textbox", name="Votre message à Fatou")
        expect(field).to_be_focused()
        expect(page.locator(f"#row-{with_bot.pk}")).to_have_count(0)  # it has left the tab « Avec le bot »
        page.keyboard.type("a")
        expect(field).to_have_value("a")
        assert page.evaluate("window.isSameDocument")
        assert Conversation.objects.get().agent == awa

    run_story(story)


def test_a_colleague_who_was_faster_is_named(run_story, awa, koffi, with_bot, clock):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{with_bot.pk}")
        page.route("**/live**", lambda route: route.abort())
        page.route_web_socket("**/live**", lambda socket: None)
        page.reload()
        with_bot.take_over(koffi, at=clock.now)
        page.get_by_role("button", name="Prendre en charge").click()
        expect(page.locator(".notice--error")).to_contain_text("Koffi")
        expect(page.locator("#composer")).to_contain_text("Koffi Mensah tient cette conversation")

    run_story(story, allow_console_errors="409|ERR_FAILED|WebSocket")
