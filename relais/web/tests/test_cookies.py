"""Cookies travel over https only, except for someone on the machine itself."""

import pytest

pytestmark = pytest.mark.django_db


def cookie_of(client, host):
    return client.get("/accounts/login/", HTTP_HOST=host).cookies["csrftoken"]


def test_at_the_public_address_they_are_secure(client):
    assert cookie_of(client, "desk.example")["secure"]


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000"])
def test_on_the_machine_itself_an_admin_can_still_sign_in(client, host):
    assert not cookie_of(client, host)["secure"]


def test_a_public_address_without_https_gets_none_that_would_be_lost(client, settings):
    settings.PUBLIC_BASE_URL = "http://desk.example"
    assert not cookie_of(client, "desk.example")["secure"]


def test_scripts_cannot_read_the_session(client, awa):
    client.post("/accounts/login/", {"login": awa.email, "password": "un bon mot de passe"})
    session = client.cookies["sessionid"]
    assert session["httponly"]
    assert session["samesite"] == "Lax"


@pytest.mark.parametrize("key", ["", '"' + r"\000" * 32 + '"', "é" * 32, "a b"])
def test_a_session_that_can_be_none_counts_as_none(client, key):
    answer = client.get("/dashboard/active", headers={"Cookie": f"sessionid={key}"})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/dashboard/active")
