"""The installable site in a browser: the offline page, what is stored, signing out, and the number in the title."""

import re

import pytest
from playwright.sync_api import expect

from relais.conversations.events import BOT
from relais.notifications.tests.conftest import eventually, wait_for_service_worker
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]

WITH_WORKER = {"service_workers": "allow"}
CACHED_PATHS = """async () => {
  const paths = [];
  for (const name of await caches.keys())
    for (const { url } of await (await caches.open(name)).keys()) paths.push(new URL(url).pathname);
  return paths;
}"""
OFFLINE_ERRORS = "ERR_INTERNET_DISCONNECTED|ERR_FAILED|WebSocket"


def open_installed(browsers, user, path):
    page = browsers.open_page(user, path, **WITH_WORKER)
    wait_for_service_worker(page)
    return page


def test_offline_the_page_says_so_and_comes_back(run_story, awa, held_by_awa):
    chat = f"/dashboard/chat/{held_by_awa.pk}"

    def story(browsers: Browsers) -> None:
        page = open_installed(browsers, awa, chat)
        page.context.set_offline(True)
        page.reload()
        expect(page.get_by_role("heading", name="Hors connexion")).to_be_visible()
        expect(page).to_have_url(browsers.url + chat)
        styled = "getComputedStyle(document.querySelector('.plain__card')).borderRadius"
        assert page.evaluate(styled) == "12px"
        page.context.set_offline(False)
        expect(page.locator("#thread")).to_be_visible()

    run_story(story, allow_console_errors=OFFLINE_ERRORS)


def test_no_page_with_a_clients_words_is_stored(run_story, awa, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = open_installed(browsers, awa, f"/dashboard/chat/{held_by_awa.pk}")
        page.goto(browsers.url + "/dashboard/active")
        expect_live(page)
        paths = page.evaluate(CACHED_PATHS)
        assert "/offline" in paths
        assert not [path for path in paths if path.startswith(("/dashboard", "/live", "/accounts"))]

    run_story(story)


def test_signing_out_clears_what_is_stored(run_story, awa):
    def story(browsers: Browsers) -> None:
        page = open_installed(browsers, awa, "/dashboard")
        page.get_by_role("button", name="Compte de").click()
        page.get_by_role("button", name="Se déconnecter").click()
        expect(page).to_have_url(re.compile("/accounts/login/"))
        eventually(page, "async () => !(await caches.keys()).length")

    run_story(story)


def test_the_browser_finds_no_fault_in_the_manifest(run_story, awa):
    def story(browsers: Browsers) -> None:
        page = open_installed(browsers, awa, "/dashboard")
        devtools = page.context.new_cdp_session(page)
        manifest = devtools.send("Page.getAppManifest")
        assert manifest["url"].endswith("/manifest.webmanifest")
        assert manifest["errors"] == []
        errors = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert [error["errorId"] for error in errors if error["errorId"] != "in-incognito"] == []

    run_story(story)


def test_the_title_counts_my_unread_and_the_waiting(run_story, awa, held_by_awa, fatou_writes, clock):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/active")
        expect_live(page)
        expect(page).to_have_title(re.compile(r"^[^(]"))
        fatou_writes("êtes-vous là ?")
        expect(page).to_have_title(re.compile(r"^\(1\) "))
        other = fatou_writes("bonjour", address="whatsapp:+2250700000003", name="Ibrahim")
        other.ask_for_agent(by=BOT, at=clock.now)
        expect(page).to_have_title(re.compile(r"^\(2\) "))
        other.take_over(awa, at=clock.now)
        expect(page).to_have_title(re.compile(r"^\(1\) "))

    run_story(story)
