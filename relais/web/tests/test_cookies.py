"""Cookies travel over https only where the public address says so, whatever Host is claimed."""

import pytest

pytestmark = pytest.mark.django_db


def cookie_of(client, host):
    return client.get("/accounts/login/", HTTP_HOST=host).cookies["csrftoken"]


@pytest.mark.parametrize("host", ["desk.example", "127.0.0.1:8000", "localhost:8000", "evil.example"])
def test_behind_https_they_are_secure_by_whatever_name_the_page_is_asked_for(client, host):
    assert cookie_of(client, host)["secure"]


@pytest.mark.parametrize("address", ["http://192.168.1.20:8000", "http://localhost:8000"])
def test_a_public_address_without_https_gets_none_that_would_be_lost(client, settings, awa, address):
    settings.PUBLIC_BASE_URL = address
    assert not cookie_of(client, address.removeprefix("http://"))["secure"]
    client.post("/accounts/login/", {"login": awa.email, "password": "un bon mot de passe"})
    assert not client.cookies["sessionid"]["secure"]


def test_scripts_cannot_read_the_session(client, awa):
    client.post("/accounts/login/", {"login": awa.email, "password": "un bon mot de passe"})
    session = client.cookies["sessionid"]
    assert session["httponly"]
    assert session["samesite"] == "Lax"


@pytest.mark.parametrize("key", ["", '"' + r"\000" * 32 + '"', "é" * 32, "a b"])
def test_a_session_that_can_be_none_counts_as_none(client, key):
    answer = client.get("/dashboard/active", headers={"Cookie": f"sessionid={key}"})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/dashboard/active")
