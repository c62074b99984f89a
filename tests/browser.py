"""Browser tests with Playwright: pages of several users at once, and the fixture `run_story` that runs a story."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from tests.web_server import WebServer, session_cookie

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-sync",
    # A microphone that beeps; a context still needs the permission.
    "--use-fake-device-for-media-stream",
]

# On a busy machine with two processors a browser sometimes needs many seconds to show a page.
expect.set_options(timeout=30_000)


class Browsers:
    """Pages at one address, each in a browser context of its own, and the errors on their consoles."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.url = url
        self.console_errors: list[str] = []

    def open_page(
        self, user: Any, path: str, prepare: Callable[[Page], object] = lambda page: None, **options: Any
    ) -> Page:
        """A page of a signed-in user."""
        page = self.new_page(**options)
        cookie = {
            "name": django_settings.SESSION_COOKIE_NAME,
            "value": session_cookie(user),
            "url": self.url,
        }
        page.context.add_cookies([cookie])  # type: ignore[list-item]
        prepare(page)
        page.goto(self.url + path)
        return page

    def new_page(self, **options: Any) -> Page:
        """An empty page without a session. A service worker would hide requests from Playwright's routes."""
        options.setdefault("service_workers", "block")
        page = self.browser.new_context(locale="fr-FR", **options).new_page()
        page.on("console", lambda m: self.console_errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        return page

    def save_screenshots(self, folder: Path) -> None:
        pages = [page for context in self.browser.contexts for page in context.pages]
        for number, page in enumerate(pages):
            page.screenshot(path=folder / f"failure-{number}.png")


class SharedBrowser:
    """One Chromium for all stories of a run, driven from a thread of its own: starting it costs a second.

    In the main thread Playwright's event loop would stay for all later tests.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="browser")
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def run(self, story: Callable[[Browser], None]) -> None:
        self._executor.submit(self._run, story).result()

    def close(self) -> None:
        self._executor.submit(self._close).result()
        self._executor.shutdown()

    def _run(self, story: Callable[[Browser], None]) -> None:
        browser = self._launched()
        try:
            story(browser)
        finally:
            for context in browser.contexts:
                context.close()
            # Requests that a story held and never answered wait for ever: collected as garbage, they would log an error
            # in any later test.
            for task in asyncio.all_tasks(browser._loop):
                if getattr(task.get_coro(), "__name__", "") == "_on_route":
                    task.cancel()

    def _launched(self) -> Browser:
        if self._playwright is None:
            self._playwright = sync_playwright().start()
        if self._browser is None or not self._browser.is_connected():
            chromium = self._playwright.chromium
            self._browser = chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_OPTIONS)
        return self._browser

    def _close(self) -> None:
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()


class StoryRunner:
    """Runs a story in a browser and asserts that no page reports an error on its console."""

    def __init__(
        self,
        url: str,
        browser: SharedBrowser,
        browsers_class: Callable[[Browser, str], Any] = Browsers,
        screenshot_folder: Path | None = None,
        server: WebServer | None = None,
    ) -> None:
        self.url = url
        self.browser = browser
        self.server = server
        """The web process in a thread here, whose database the story may use; None when it is a process of its own."""
        self.browsers_class = browsers_class
        self.screenshot_folder = screenshot_folder
        """Where the screenshots of a failed story are saved."""

    def __call__(self, story: Callable[[Any], None], *, allow_console_errors: str = "^$") -> None:
        self.browser.run(partial(self._run, story, allow_console_errors))

    def _run(self, story: Callable[[Any], None], allow_console_errors: str, browser: Browser) -> None:
        browsers = self.browsers_class(browser, self.url)
        try:
            story(browsers)
        except BaseException:
            if self.screenshot_folder:
                browsers.save_screenshots(self.screenshot_folder)
            raise
        finally:
            if self.server:
                # Inside Playwright's event loop Django has another connection than outside: close that one.
                connection.close()
        assert [e for e in browsers.console_errors if not re.search(allow_console_errors, e)] == []


@pytest.fixture(scope="session")
def shared_browser() -> Iterator[SharedBrowser]:
    browser = SharedBrowser()
    yield browser
    browser.close()


@pytest.fixture
def run_story(
    transactional_db: None,
    shared_browser: SharedBrowser,
    settings: Any,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[StoryRunner]:
    """A runner on a web process that serves its static files as in production."""
    from relais.prepare import collect_static_files

    # A story calls the ORM between two iterations of Playwright's event loop, never inside one.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    settings.STATIC_ROOT = Path(tmp_path_factory.getbasetemp()) / "static"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "relais.web.storage.Storage"}}
    collect_static_files()
    with WebServer() as server:
        yield StoryRunner(server.url, shared_browser, server=server)


def expect_live(*pages: Page) -> None:
    for page in pages:
        expect(page.locator("#live-state")).to_have_attribute("data-state", "live")


@contextmanager
def processor_time(page: Page) -> Iterator[Callable[[], float]]:
    """A function that gives the milliseconds that the page's main thread used within the block, however busy the machine."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def used() -> float:
        metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
        return 1000 * float(metrics["TaskDuration"])

    before, measured = used(), []
    yield lambda: measured[0]
    measured.append(used() - before)
