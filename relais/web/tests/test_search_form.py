"""Search forms that answer while one types: one request for each state of their fields."""

import pytest
from playwright.sync_api import expect

from tests.browser import Browsers, expect_live

pytestmark = pytest.mark.django_db(transaction=True)

PATHS = ("search", "conversations", "clients", "quick-replies", "macros")


def test_enter_asks_once(run_story, awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/search")
        asked: list[str] = []
        page.on(
            "request", lambda request: asked.append(request.url) if "hx-request" in request.headers else None
        )
        for path in PATHS:
            page.goto(f"{browsers.url}/dashboard/{path}")
            expect_live(page)
            field = page.locator("form[role=search] [name=q]")
            asked.clear()
            field.press_sequentially("abc", delay=0)
            field.press("Enter")
            expect(page.locator("main")).to_contain_text("Rien" if path == "search" else "Aucun")
            # The delayed `input` of « abc » has passed once that of the next text was heard.
            field.press_sequentially("d")
            with page.expect_request(lambda request: "q=abcd" in request.url):
                pass
            assert len([url for url in asked if "q=abc&" in f"{url}&"]) == 1, (path, asked)

    run_story(story)


def test_a_failed_search_is_asked_again(run_story, awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/search")
        expect_live(page)
        page.route("**/dashboard/search?*", lambda route: route.abort())
        field = page.locator("form[role=search] [name=q]")
        field.fill("abc")
        field.press("Enter")
        expect(page.locator("[data-search-error]")).to_be_visible()
        page.unroute("**/dashboard/search?*")
        page.get_by_role("button", name="Réessayer").click()
        expect(page.locator("#results")).to_contain_text("Rien ne correspond.")

    run_story(story, allow_console_errors="ERR_FAILED|htmx:")
