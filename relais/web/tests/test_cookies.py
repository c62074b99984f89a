"""Cookies are secure when the public URL is https, whatever the Host header."""

import pytest

pytestmark = pytest.mark.django_db


def cookie_of(client, host):
    return client.get("/accounts/login/", HTTP_HOST=host).cookies["csrftoken"]


@pytest.mark.parametrize("host", ["desk.example", "127.0.0.1:8000", "localhost:8000", "evil.example"])
def test_with_an_https_url_cookies_are_secure_for_every_host(client, host):
    assert cookie_of(client, host)["secure"]


@pytest.mark.parametrize("address", ["http://192.168.1.20:8000", "http://localhost:8000"])
def test_with_an_http_url_cookies_are_not_secure(client, settings, awa, address):
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
def test_an_invalid_session_cookie_is_ignored(client, key):
    response = client.get("/dashboard/active", headers={"Cookie": f"sessionid={key}"})
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/dashboard/active")
