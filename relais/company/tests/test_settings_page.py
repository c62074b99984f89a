"""Nadia save_settings the brand and the texts, and sees whether WhatsApp is well connected."""

import pytest

from relais.accounts.roles import Role
from relais.company import company_settings
from relais.company.models import Setting
from relais.whatsapp import client as twilio
from relais.whatsapp import connection_status
from tests.cast import messages_to_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def nadia_browser(client, nadia):
    """Nadia's browser; in these tests she is an admin and no super admin."""
    nadia.role = Role.ADMIN
    nadia.save()
    client.force_login(nadia)
    return client


def save_settings(browser, **fields):
    form = {
        definition.key: company_settings.get_value(definition)
        for definition in company_settings.EDITABLE_SETTINGS
    } | fields
    return browser.post("/dashboard/settings", form)


@pytest.mark.parametrize("role", ["agent", "supervisor"])
def test_the_page_requires_an_admin(client, awa, role):
    awa.change_role(role)
    client.force_login(awa)
    assert client.get("/dashboard/settings").status_code == 403
    assert client.post("/dashboard/settings", {"brand": "x"}).status_code == 403
    assert client.post("/dashboard/settings/test", {"to": "x"}).status_code == 403


def test_each_editable_setting_has_a_field_on_the_page(nadia_browser):
    """A missing field would make the whole form invalid."""
    page = nadia_browser.get("/dashboard/settings").content.decode()
    assert [
        definition.key
        for definition in company_settings.EDITABLE_SETTINGS
        if f'name="{definition.key}"' not in page
    ] == []


def test_the_texts_have_a_preview_with_the_brand(nadia_browser):
    page = nadia_browser.get("/dashboard/settings").content.decode()
    assert "en contact avec un agent Mercedes-Benz. Comment" in page
    assert "un agent {marque}. Comment" in page


def test_a_new_brand_and_text_are_used_in_the_next_message(nadia_browser, with_bot, awa, clock):
    assert save_settings(nadia_browser, brand="Étoile", take_over_text="Ici {marque}.").status_code == 302
    with_bot.take_over(awa, at=clock.now)
    assert messages_to_client(with_bot) == ["Ici Étoile."]


def test_default_values_are_not_stored(nadia_browser):
    save_settings(nadia_browser)
    assert not Setting.objects.exists()


@pytest.mark.parametrize(
    "invalid_fields",
    [
        {"brand": " "},
        {"close_text": ""},
        {"waiting_text": "x" * 1601},
        {"silence_hours": 0},
        {"silence_hours": "deux"},
        {"send_rate": 0},
    ],
)
def test_invalid_values_are_refused_and_stay_in_the_form(nadia_browser, invalid_fields):
    response = save_settings(nadia_browser, **{"brand": "Étoile", **invalid_fields})
    assert response.status_code == 422
    assert "field__error" in response.content.decode()
    assert not Setting.objects.exists()


def test_the_page_shows_the_webhook_urls_and_no_secret(nadia_browser, settings):
    page = nadia_browser.get("/dashboard/settings").content.decode()
    assert "https://desk.example/api/twilio/message#rc=3&amp;rp=5xx,ct,rt" in page
    assert "https://desk.example/api/twilio/status" in page
    assert settings.ENVIRONMENT.whatsapp_number in page
    for secret in ("test-token", "test-token-2", "studio-secret", settings.ENVIRONMENT.secret_key):
        assert f">{secret}<" not in page
        assert f'"{secret}"' not in page


def test_refused_signatures_show_a_warning(nadia_browser, monkeypatch):
    monkeypatch.setattr(connection_status, "rejected_signatures", connection_status.RejectedSignatures())
    assert "signature" not in nadia_browser.get("/dashboard/settings").content.decode()
    connection_status.record_rejected_signature("/api/twilio/message")
    page = nadia_browser.get("/dashboard/settings").content.decode()
    assert "Des appels ont été refusés pour leur signature." in page and 'href="/dashboard/state"' in page


def test_a_test_message_shows_its_sid(nadia_browser, monkeypatch):
    sent_messages = []
    monkeypatch.setattr(
        twilio, "send_message", lambda **message: sent_messages.append(message) or "SM" + "1" * 32
    )
    page = nadia_browser.post("/dashboard/settings/test", {"to": "+212 600-00 00 01", "text": "Essai"})
    assert "SM" + "1" * 32 in page.content.decode()
    assert (sent_messages[0]["to"], sent_messages[0]["body"]) == ("whatsapp:+212600000001", "Essai")


def test_an_error_of_twilio_is_shown(nadia_browser, monkeypatch):
    def refuses(**message):
        raise twilio.TwilioRefused(63016)

    monkeypatch.setattr(twilio, "send_message", refuses)
    response = nadia_browser.post("/dashboard/settings/test", {"to": "+212600000001", "text": "Essai"})
    assert response.status_code == 422
    assert str(twilio.TwilioRefused(63016)).split("'")[0] in response.content.decode()


def test_an_invalid_phone_number_is_shown(nadia_browser):
    response = nadia_browser.post("/dashboard/settings/test", {"to": "Fatou", "text": "Essai"})
    assert response.status_code == 422
    assert "format international" in response.content.decode()
