"""The search page in a browser: results while typing, keyboard, opening at the message, failure and retry."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Route, expect

from relais.conversations.models import Conversation
from tests.accessibility import NARROW
from tests.browser import Browsers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def conversations(fatou_writes: Any, clock_starts_now: None) -> None:
    fatou_writes("Bonjour, le voyant moteur est allumé")
    for n in range(90):
        fatou_writes(f"message {n}")
    fatou_writes("Le voyant est éteint", address="whatsapp:+2250700000002", name="Ibrahim")


def test_results_appear_while_typing_and_a_hit_opens_at_its_message(run_story, awa, conversations):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/pending")
        page.keyboard.press("/")
        expect(page).to_have_url(f"{browsers.url}/dashboard/search")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("VOYANT")
        hits = page.locator(".hit__open")
        expect(hits).to_have_count(2)
        expect(page.locator("mark")).to_have_text(["voyant", "voyant"])
        expect(page).to_have_url(
            f"{browsers.url}/dashboard/search?q=VOYANT&type=&status=&agent=&tag=&from=&to=&order=newest"
        )
        page.keyboard.press("ArrowDown")
        expect(hits.first).to_be_focused()
        page.keyboard.press("ArrowDown")
        expect(hits.last).to_be_focused()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        message = page.locator(".message", has_text="voyant moteur")
        expect(message).to_be_in_viewport()
        page.go_back()
        expect(page.locator(".hit__open")).to_have_count(2)

    run_story(story)


def test_filters_narrow_the_results(run_story, awa, conversations):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/search?q=voyant")
        page.get_by_text("Filtres", exact=True).click()
        page.get_by_label("Type").select_option("note")
        expect(page.locator("#results").get_by_text("Rien ne correspond.")).to_be_visible()
        page.get_by_role("link", name="Retirer les filtres").click()
        expect(page.locator(".hit__open")).to_have_count(2)

    run_story(story)


def test_the_tag_of_a_conversation_narrows_the_results(run_story, awa, conversations, clock):
    first = Conversation.objects.order_by("pk")[0]
    first.change_tags(add=["Garage"], remove=[], by=awa, at=clock.now)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/search?q=voyant")
        expect(page.locator(".hit__open")).to_have_count(2)
        page.get_by_text("Filtres", exact=True).click()
        tag = page.get_by_label("Étiquette")
        tag.fill("garage")
        tag.press("Tab")
        expect(page.locator(".hit__open")).to_have_count(1)
        expect(page.locator(".hit__open")).to_contain_text("voyant moteur")
        tag.fill("garaje")
        tag.press("Tab")
        expect(page.locator("#results").get_by_text("Aucune étiquette « garaje ».")).to_be_visible()

    run_story(story)


def test_a_failure_is_said_and_can_be_retried(run_story, awa, conversations):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/search")

        def fail(route: Route) -> None:
            route.abort()

        page.route("**/dashboard/search?**", fail)
        page.get_by_role("searchbox").fill("voyant")
        expect(page.get_by_role("alert")).to_be_visible()
        page.unroute("**/dashboard/search?**")
        page.get_by_role("button", name="Réessayer").click()
        expect(page.locator(".hit__open")).to_have_count(2)
        expect(page.get_by_role("alert")).to_be_hidden()

    run_story(story, allow_console_errors="ERR_FAILED|htmx:")


def test_without_scripts_on_a_phone(run_story, awa, conversations):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/search", java_script_enabled=False, viewport=NARROW)
        page.get_by_role("searchbox").fill("voyant")
        page.get_by_role("button", name="Chercher").click()
        expect(page.locator(".hit__open")).to_have_count(2)
        page.get_by_role("link", name="voyant moteur").click()
        expect(page.locator(".message", has_text="voyant moteur")).to_be_in_viewport()

    run_story(story)
