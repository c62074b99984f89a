"""Notices of failed requests on a page that has loaded more modules than it began with."""

import pytest
from playwright.sync_api import expect

from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]
IBRAHIM = {"address": "whatsapp:+2250700000002", "name": "Ibrahim"}
SALIOU = {"address": "whatsapp:+2250700000003", "name": "Saliou"}


def test_a_failure_is_told_once(run_story, awa, chat, fatou_writes, clock):
    for client in (IBRAHIM, SALIOU):
        fatou_writes("Bonjour", **client).take_over(awa, at=clock.now)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        hovered = page.locator(".desk__list .row", has_text="Ibrahim")
        hovered.hover()
        expect(hovered.locator(".row__select")).to_be_attached()  # The module that chooses rows is there.
        page.context.set_offline(True)
        for _ in range(2):
            page.locator(".desk__list .row", has_text="Saliou").locator(".row__open").click()
            notice = page.locator("#notices .notice--error")
            expect(notice).to_contain_text("Vérifiez votre connexion")
            expect(notice.get_by_role("button")).to_have_count(1)
        page.context.set_offline(False)

    run_story(story, allow_console_errors="Failed to load resource|WebSocket|ERR_INTERNET")
