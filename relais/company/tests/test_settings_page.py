"""Nadia sets the brand and the texts, and sees whether WhatsApp is well connected."""

import pytest

from relais.accounts.roles import Role
from relais.company import company_settings
from relais.company.models import Setting
from relais.whatsapp import client as twilio
from relais.whatsapp import connection_status
from tests.cast import messages_to_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def nadias(client, nadia):
    """Nadia's browser; here she is an admin only."""
    nadia.role = Role.ADMIN
    nadia.save()
    client.force_login(nadia)
    return client


def sets(browser, **changed):
    form = {word.key: company_settings.get_value(word) for word in company_settings.EDITABLE} | changed
    return browser.post("/dashboard/settings", form)


@pytest.mark.parametrize("role", ["agent", "supervisor"])
def test_it_is_for_admins_only(client, awa, role):
    awa.change_role(role)
    client.force_login(awa)
    assert client.get("/dashboard/settings").status_code == 403
    assert client.post("/dashboard/settings", {"brand": "x"}).status_code == 403
    assert client.post("/dashboard/settings/test", {"to": "x"}).status_code == 403


def test_each_word_has_its_field_on_the_page(nadias):
    """One without would keep the others from being saved."""
    page = nadias.get("/dashboard/settings").content.decode()
    assert [word.key for word in company_settings.EDITABLE if f'name="{word.key}"' not in page] == []


def test_the_texts_are_shown_as_the_client_reads_them(nadias):
    page = nadias.get("/dashboard/settings").content.decode()
    assert "en contact avec un agent Mercedes-Benz. Comment" in page
    assert "un agent {marque}. Comment" in page


def test_a_new_brand_and_text_are_what_the_next_client_is_told(nadias, with_bot, awa, clock):
    assert sets(nadias, brand="Étoile", take_over_text="Ici {marque}.").status_code == 302
    with_bot.take_over(awa, at=clock.now)
    assert messages_to_client(with_bot) == ["Ici Étoile."]


def test_what_is_as_at_first_leaves_no_row(nadias):
    sets(nadias)
    assert not Setting.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"brand": " "},
        {"close_text": ""},
        {"waiting_text": "x" * 1601},
        {"silence_hours": 0},
        {"silence_hours": "deux"},
        {"send_rate": 0},
    ],
)
def test_what_cannot_be_is_refused_and_stays_in_the_form(nadias, wrong):
    answer = sets(nadias, **{"brand": "Étoile", **wrong})
    assert answer.status_code == 422
    assert "field__error" in answer.content.decode()
    assert not Setting.objects.exists()


def test_the_addresses_for_twilio_are_there_to_be_copied_and_no_secret_is(nadias, settings):
    page = nadias.get("/dashboard/settings").content.decode()
    assert "https://desk.example/api/twilio/message#rc=3&amp;rp=5xx,ct,rt" in page
    assert "https://desk.example/api/twilio/status" in page
    assert settings.ENVIRONMENT.whatsapp_number in page
    for secret in ("test-token", "test-token-2", "studio-secret", settings.ENVIRONMENT.secret_key):
        assert f">{secret}<" not in page
        assert f'"{secret}"' not in page


def test_refused_signatures_stand_out(nadias, monkeypatch):
    monkeypatch.setattr(connection_status, "rejected_signatures", connection_status.RejectedSignatures())
    assert "signature" not in nadias.get("/dashboard/settings").content.decode()
    connection_status.record_rejected_signature("/api/twilio/message")
    page = nadias.get("/dashboard/settings").content.decode()
    assert "Des appels ont été refusés pour leur signature." in page and 'href="/dashboard/state"' in page


def test_a_test_message_shows_its_sid(nadias, monkeypatch):
    sent = []
    monkeypatch.setattr(twilio, "send_message", lambda **message: sent.append(message) or "SM" + "1" * 32)
    page = nadias.post("/dashboard/settings/test", {"to": "+212 600-00 00 01", "text": "Essai"})
    assert "SM" + "1" * 32 in page.content.decode()
    assert (sent[0]["to"], sent[0]["body"]) == ("whatsapp:+212600000001", "Essai")


def test_twilios_refusal_is_a_sentence(nadias, monkeypatch):
    def refuses(**message):
        raise twilio.TwilioRefused(63016)

    monkeypatch.setattr(twilio, "send_message", refuses)
    answer = nadias.post("/dashboard/settings/test", {"to": "+212600000001", "text": "Essai"})
    assert answer.status_code == 422
    assert str(twilio.TwilioRefused(63016)).split("'")[0] in answer.content.decode()


def test_a_number_that_is_none_is_said(nadias):
    answer = nadias.post("/dashboard/settings/test", {"to": "Fatou", "text": "Essai"})
    assert answer.status_code == 422
    assert "format international" in answer.content.decode()
