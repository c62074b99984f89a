"""Accessibility of every dialog and of each form that opens in place, by axe-core: in French and Arabic, both themes.

One page opens them one after the other by their keys, which are the same in all languages.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from relais.accounts.models import Language
from relais.content_templates.synchronisation import store_templates
from relais.content_templates.tests.conftest import record
from relais.conversations.tags import TagColor
from relais.macros.demo import create_demo_macros
from relais.quick_replies.demo import create_demo_replies
from tests.accessibility import THEMES, WIDE, in_theme, violations
from tests.browser import Browsers, expect_live
from tests.cast import MachineClock

pytestmark = pytest.mark.django_db(transaction=True)

LANGUAGES = (Language.FRENCH, Language.ARABIC)
KEYS_OF_DIALOGS = {
    "close-dialog": "c",
    "hand-back-dialog": "b",
    "transfer-dialog": "r",
    "snooze-dialog": "p",
    "tags-dialog": "t",
    "macro-dialog": "m",
}
"""By the dialog's id, the key that opens it."""


@pytest.fixture
def clock() -> MachineClock:
    return MachineClock()


class Dialogs:
    """Checks what is open on the page, at both sizes, and closes it."""

    def __init__(self, page: Page, theme: str) -> None:
        self.page = page
        self.theme = theme
        self.problems: list[str] = []

    def check(self, name: str) -> None:
        self.problems += violations(self.page, self.theme, name)
        if self.page.evaluate("document.scrollingElement.scrollWidth > innerWidth"):
            self.problems.append(f"{name}: wider than a phone")
        self.page.set_viewport_size(WIDE)  # type: ignore[arg-type]

    def check_dialog(self, name: str) -> None:
        expect(self.page.locator("dialog[open]")).to_be_visible()
        self.check(name)
        self.close()

    def close(self) -> None:
        self.page.keyboard.press("Escape")
        expect(self.page.locator("dialog[open]")).to_have_count(0)
        # The focus leaves a field of the closed dialog with the next frame.
        expect(self.page.locator("dialog :focus")).to_have_count(0)
        self.page.evaluate("document.activeElement.blur()")


def check_conversation(dialogs: Dialogs) -> None:
    page = dialogs.page
    for name, key in KEYS_OF_DIALOGS.items():
        page.locator(f".chat [data-key={key}], #client [data-key={key}]").first.click()
        expect(page.locator(f"#{name}")).to_be_visible()
        if name == "macro-dialog":
            dialogs.check("the macros")
            page.locator("[data-macro-open]").first.click()
            expect(page.locator("[data-macro-list]")).to_have_count(0)
        dialogs.check_dialog(name)
    page.keyboard.press("Control+k")
    page.keyboard.type("awa")
    expect(page.get_by_role("option").first).to_be_visible()
    dialogs.check_dialog("the command bar")
    page.keyboard.press("?")
    dialogs.check_dialog("the sheet of keys")


def check_composer_dialogs(dialogs: Dialogs) -> None:
    page = dialogs.page
    page.locator(".composer__tools [href$=send-template]").click()
    expect(page.locator("#template-dialog li")).to_have_count(1)
    dialogs.check("the templates")
    page.locator("#template-dialog li a").click()
    expect(page.locator("[data-template-form]")).to_be_visible()
    dialogs.check_dialog("a template to fill")
    page.locator(".composer__tools [href$=send-choices]").click()
    page.locator("#choices-dialog [name=kind][value=list]").check()
    page.locator("#choices-dialog [name=message]").fill("?")
    page.locator("#choices-dialog [name=title]").first.fill("1")
    expect(page.locator("[data-choices-preview]")).to_be_visible()
    dialogs.check_dialog("choices")
    page.locator(".composer__tools [href$=schedule]").click()
    page.locator("#schedule-dialog [name=message]").fill("?")
    page.locator("#schedule-dialog [name=when][value=at]").check()
    dialogs.check("a time for a message")
    page.locator("#schedule-dialog [name=when][value=one-hour]").check()
    page.locator("#schedule-dialog [type=submit]").click()
    expect(page.locator(".scheduled:visible")).to_have_count(1)
    dialogs.check("a scheduled message")
    page.locator(".scheduled__edit").click()
    dialogs.check_dialog("a scheduled message to edit")


def check_forms_in_place(dialogs: Dialogs) -> None:
    page = dialogs.page
    page.locator("[data-client-edit]").click()
    expect(page.locator("#client input[name=vin]")).to_be_visible()
    dialogs.check("the client's fields")
    page.keyboard.press("Alt+n")
    page.keyboard.type("@")
    expect(page.get_by_role("option").first).to_be_visible()
    dialogs.check("a new note")


def check_lists(dialogs: Dialogs, url: str) -> None:
    page = dialogs.page
    page.goto(f"{url}/dashboard/conversations?q=awa")
    page.locator(".views__new summary").click()
    dialogs.check("a view to save")
    page.goto(f"{url}/dashboard/active?tab=all")
    expect_live(page)
    page.locator(".row__select").first.check(force=True)
    for action in ("transfer", "tag", "close"):
        page.locator(f"#bulk [href$='action={action}']").click()
        expect(page.locator("#bulk-dialog")).to_be_visible()
        dialogs.check_dialog(f"several: {action}")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_dialog(run_story, language, theme, mariam, awa, fatou_writes, clock):
    mariam.language = language
    mariam.save()
    create_demo_replies(at=clock.now)
    create_demo_macros(at=clock.now)
    store_templates([record()], at=clock.now)
    conversation: Any = fatou_writes("Bonjour", name="Awa Ba")
    conversation.take_over(mariam, at=clock.now)
    conversation.change_tags(add=[f"Étiquette {color}" for color in TagColor.values], by=mariam, at=clock.now)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(mariam, f"/dashboard/chat/{conversation.pk}", in_theme(theme))
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        expect_live(page)
        dialogs = Dialogs(page, theme)
        check_conversation(dialogs)
        check_composer_dialogs(dialogs)
        check_forms_in_place(dialogs)
        check_lists(dialogs, browsers.url)
        page.goto(f"{browsers.url}/dashboard/clients/{conversation.client_id}/merge?q=a")
        dialogs.check("a merge")
        assert dialogs.problems == []

    run_story(story)
