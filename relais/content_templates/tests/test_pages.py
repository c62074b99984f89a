"""The page of templates for administrators, and the JSON for everyone."""

import pytest

from relais.content_templates.models import TemplateSync
from relais.content_templates.synchronisation import store_templates
from relais.content_templates.tests.conftest import READY_SID, REJECTED_SID, record

pytestmark = pytest.mark.django_db
PATH = "/dashboard/templates"
JSON = {"headers": {"accept": "application/json"}}


@pytest.fixture
def two_templates(clock):
    rejected = record(
        REJECTED_SID, "promo", "{{1}} profitez", status="rejected", reason="INVALID_FORMAT: start"
    )
    store_templates([record(), rejected], at=clock.now)


def test_the_json_has_the_fields_of_the_contract(client, awa, two_templates):
    client.force_login(awa)
    results = client.get(PATH, **JSON).json()["results"]
    keys = ("content_sid", "name", "language", "status", "category", "body", "variables")
    assert {key: results[0][key] for key in keys} == {
        "content_sid": READY_SID,
        "name": "vehicule_pret",
        "language": "fr",
        "status": "approved",
        "category": "UTILITY",
        "body": "Bonjour {{1}}, votre {{2}} est prête.",
        "variables": ["1", "2"],
    }
    assert results[1]["status"] == "rejected"


def test_the_json_is_searched_and_filtered(client, awa, two_templates):
    client.force_login(awa)
    assert [each["name"] for each in client.get(PATH, {"q": "prête"}, **JSON).json()["results"]] == [
        "vehicule_pret"
    ]
    by_status = client.get(PATH, {"status": "rejected"}, **JSON).json()["results"]
    assert [each["name"] for each in by_status] == ["promo"]


def test_the_anonymous_are_turned_away(client, db):
    assert client.get(PATH, **JSON).status_code == 401
    assert client.get(PATH).status_code == 302


def test_the_page_is_for_administrators(client, awa, mariam, nadia, two_templates):
    for user, status in ((awa, 403), (mariam, 403), (nadia, 200)):
        client.force_login(user)
        assert client.get(PATH).status_code == status


def test_the_page_shows_state_reason_and_advice(client, nadia, two_templates):
    client.force_login(nadia)
    page = client.get(PATH).content.decode()
    assert "INVALID_FORMAT: start" in page and "Refusé" in page and "Approuvé" in page
    assert "Corrigez-le dans la console de Twilio" in page
    assert "Dernière lecture" in page


def test_the_page_shows_the_error_of_the_last_reading(client, nadia, two_templates, clock):
    TemplateSync.record_failure("Twilio ne répond pas.", at=clock.now)
    client.force_login(nadia)
    page = client.get(PATH).content.decode()
    assert "La dernière lecture a échoué." in page and "vehicule_pret" in page


def test_an_empty_page_says_what_to_do(client, nadia):
    client.force_login(nadia)
    assert "Créez-en un dans la console de Twilio" in client.get(PATH).content.decode()
    assert "Aucun modèle ne correspond." in client.get(PATH, {"q": "x"}).content.decode()
