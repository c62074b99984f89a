"""Browsers at a demo: the client's phone, and the desk of its users."""

from typing import Any

from playwright.sync_api import Locator, Page, expect

from relais.demo_accounts import DEMO_PASSWORD
from tests.browser import Browsers, expect_live


class DemoBrowsers(Browsers):
    """Pages of the demo: the simulated phone, and the desk after a sign-in through the form."""

    def open_phone(self) -> Page:
        return self._open("/simulator")

    def sign_in(self, email: str, path: str, **options: Any) -> Page:
        page = self._open(f"/accounts/login/?next={path}", **options)
        page.locator("[name=login]").fill(email)
        page.locator("[name=password]").fill(DEMO_PASSWORD)
        page.get_by_role("button", name="Se connecter").click()
        expect(page).to_have_url(self.url + path)
        expect_live(page)
        return page

    def _open(self, path: str, **options: Any) -> Page:
        page = self.new_page(**options)
        page.goto(self.url + path)
        return page


def write_message(phone: Page, client: str, text: str) -> None:
    field = phone.locator(f'[data-phone="{client}"] textarea')
    field.fill(text)
    field.press("Enter")


def texts_on_phone(phone: Page, client: str) -> Locator:
    return bubbles_on_phone(phone, client).locator(".text")


def bubbles_on_phone(phone: Page, client: str) -> Locator:
    """What the company sent."""
    return phone.locator(f'[data-phone="{client}"] .bubble:not(.mine)')
