"""Stories in a real browser: pages of several users at once, and the fixture `run_story` that plays one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.web_server import WebServer, session_cookie

CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]

# A browser on a busy machine with two processors sometimes needs five seconds to show a page.
expect.set_options(timeout=15_000)


class Browsers:
    """One browser context for each user, and every error on their consoles."""

    def __init__(self, browser: Browser, server: WebServer) -> None:
        self.browser = browser
        self.url = server.url
        self.console_errors: list[str] = []

    def open_page(
        self, user: Any, path: str, prepare: Callable[[Page], object] = lambda page: None, **options: Any
    ) -> Page:
        context = self.browser.new_context(locale="fr-FR", **options)
        cookie = {
            "name": django_settings.SESSION_COOKIE_NAME,
            "value": session_cookie(user),
            "url": self.url,
        }
        context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        page.on("console", lambda m: self.console_errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        prepare(page)
        page.goto(self.url + path)
        return page


class StoryRunner:
    def __init__(self, server: WebServer) -> None:
        self.server = server

    def __call__(self, story: Callable[[Browsers], None], *, allow_console_errors: str = "^$") -> None:
        """Run `story` in its own thread, because Playwright's event loop would else be that of all later tests."""
        with ThreadPoolExecutor(1) as executor:
            executor.submit(self._run, story, allow_console_errors).result()

    def _run(self, story: Callable[[Browsers], None], allow_console_errors: str) -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_OPTIONS)
            browsers = Browsers(browser, self.server)
            try:
                story(browsers)
            finally:
                browser.close()
                connection.close()
            assert [e for e in browsers.console_errors if not re.search(allow_console_errors, e)] == []


@pytest.fixture
def run_story(
    transactional_db: None,
    settings: Any,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[StoryRunner]:
    """Runs a story against a web process that serves its static files as in production."""
    from relais.prepare import static_files

    # A story calls the ORM between two turns of Playwright's event loop, never inside one.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    settings.STATIC_ROOT = Path(tmp_path_factory.getbasetemp()) / "static"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "relais.web.storage.Storage"}}
    static_files()
    with WebServer() as server:
        yield StoryRunner(server)


def expect_live(*pages: Page) -> None:
    for page in pages:
        expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
