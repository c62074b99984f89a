"""Twilio's typing indicator at the double, and on the phone."""

import pytest
from playwright.sync_api import Browser, expect
from twilio.base.exceptions import TwilioRestException

from relais.emulator.testing import RunningDouble
from relais.emulator.tests.conftest import COMPANY, FATOU
from relais.emulator.tests.test_phone import in_a_browser, simulator  # noqa: F401 (a fixture)


def show_typing(double: RunningDouble, sid: str, channel: str = "whatsapp") -> None:
    double.sdk().messaging.v2.typing_indicator.create(channel=channel, message_id=sid)


def test_it_lasts_25_seconds(double: RunningDouble) -> None:
    message = double.client_writes(FATOU, "bonjour")
    show_typing(double, message.sid)
    assert double.sees_typing(FATOU)
    double.advance(24)
    assert double.sees_typing(FATOU)
    double.advance(2)
    assert not double.sees_typing(FATOU)
    assert message.as_phone_json()["state"] == "read"


def test_it_ends_with_the_companys_message(double: RunningDouble) -> None:
    message = double.client_writes(FATOU, "bonjour")
    show_typing(double, message.sid)
    double.sdk().messages.create(to=FATOU, from_=COMPANY, body="Bonjour Fatou")
    double.wait_for(lambda: not double.sees_typing(FATOU))


@pytest.mark.parametrize(("sid", "channel"), [("SM" + "0" * 32, "whatsapp"), ("", "whatsapp"), (None, "sms")])
def test_invalid_requests_are_refused(double: RunningDouble, sid: str | None, channel: str) -> None:
    message = double.client_writes(FATOU, "bonjour")
    with pytest.raises(TwilioRestException) as refusal:
        show_typing(double, message.sid if sid is None else sid, channel)
    assert refusal.value.status == 400
    assert not double.sees_typing(FATOU)


def test_not_for_a_message_of_the_company(double: RunningDouble, fatou: str) -> None:
    sid = double.sdk().messages.create(to=fatou, from_=COMPANY, body="Bonjour").sid
    with pytest.raises(TwilioRestException):
        show_typing(double, str(sid))


def test_the_phone_says_so(double: RunningDouble, simulator: str) -> None:  # noqa: F811
    def story(browser: Browser) -> None:
        page = browser.new_page(locale="fr-FR")
        page.goto(simulator)
        fatous = page.locator(f"[data-phone='{FATOU}']")
        message = double.client_writes(FATOU, "bonjour")
        expect(fatous.locator(".thread li[class]").last).to_contain_text("bonjour")
        typing = fatous.get_by_text("écrit…")
        expect(typing).to_be_hidden()
        show_typing(double, message.sid)
        expect(typing).to_be_visible()
        expect(fatous.locator("[data-tick=read]")).to_have_count(1)
        expect(page.locator(".typing:visible")).to_have_count(1)
        double.sdk().messages.create(to=FATOU, from_=COMPANY, body="Bonjour Fatou")
        expect(fatous.get_by_text("Bonjour Fatou")).to_be_visible()
        expect(typing).to_be_hidden()

    in_a_browser(story)
