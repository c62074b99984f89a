"""French by default, English by choice."""

import pytest

pytestmark = pytest.mark.django_db


def language_of(response):
    return response["Content-Language"]


def test_the_first_page_is_french_whatever_the_browser_prefers(client):
    assert language_of(client.get("/accounts/login/", HTTP_ACCEPT_LANGUAGE="en-GB")) == "fr"


def test_a_choice_before_sign_in_is_stored_in_a_cookie(client):
    response = client.post("/accounts/language/", {"language": "en", "next": "/accounts/login/"})
    assert response.url == "/accounts/login/"
    assert language_of(client.get("/accounts/login/")) == "en"


def test_the_choice_of_a_user_is_stored_with_the_user(client, awa):
    client.force_login(awa)
    client.post("/accounts/language/", {"language": "en"})
    client.cookies.pop("django_language")
    assert language_of(client.get("/accounts/password/change/")) == "en"


def test_an_unknown_language_changes_nothing(client, awa):
    client.force_login(awa)
    client.post("/accounts/language/", {"language": "xx"})
    awa.refresh_from_db()
    assert awa.language == "fr"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", ""])
def test_the_redirect_stays_on_this_host(client, target):
    assert client.post("/accounts/language/", {"language": "en", "next": target}).url == "/dashboard"
