"""Error pages show a sentence; the details stay in the log."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from psycopg_pool import PoolTimeout

from relais import urls

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
SECRET = "host=10.0.0.7 user=relais"


def raise_error(request, how):
    raise {
        "bug": RuntimeError(SECRET),
        "gone": OperationalError(SECRET),
        "lost": InterfaceError(SECRET),
        "pool": PoolTimeout(SECRET),
        "forbidden": PermissionDenied(SECRET),
    }[how]


urlpatterns = [
    path("raise/<how>", raise_error),
    path("fine", lambda request: HttpResponse("ok")),
    path("", include(urls)),
]
handler400, handler403, handler404 = urls.handler400, urls.handler403, urls.handler404
handler429, handler500 = urls.handler429, urls.handler500


@pytest.fixture
def browser():
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(
    ("how", "status", "sentence"),
    [
        ("bug", 500, "noté"),
        ("forbidden", 403, "Votre rôle ne permet pas"),
        ("unknown/page", 404, "existe pas"),
        ("gone", 503, "La base de données ne répond pas. La page se recharge d&#x27;elle-même."),
        ("lost", 503, "La base de données ne répond pas."),
        ("pool", 503, "La base de données ne répond pas."),
    ],
)
def test_an_error_page_shows_a_sentence(browser, how, status, sentence):
    response = browser.get(f"/raise/{how}")
    page = response.content.decode()
    assert response.status_code == status
    assert sentence in page
    assert "<html" in page
    assert SECRET not in page
    assert "Traceback" not in page


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("bug", 500, "error"),
        ("forbidden", 403, "forbidden"),
        ("x/y", 404, "not_found"),
        ("gone", 503, "database"),
    ],
)
def test_a_program_gets_json(browser, how, status, code):
    response = browser.get(f"/raise/{how}", headers={"accept": "application/json"})
    assert response.status_code == status
    assert response.json()["success"] is False
    assert response.json()["code"] == code
    assert SECRET not in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_page_of_a_database_outage_needs_neither_session_nor_database(browser, awa):
    browser.force_login(awa)

    def gone(*args):
        raise OperationalError(SECRET)

    with connection.execute_wrapper(gone):
        response = browser.get("/fine")
    assert response.status_code == 503
    assert response["Content-Security-Policy"]
    assert b'http-equiv="refresh"' in response.content
    assert browser.get("/fine").status_code == 200


def test_an_outage_page_after_a_post_does_not_reload_itself(browser):
    assert b'http-equiv="refresh"' not in browser.post("/raise/gone").content


def test_the_sentence_is_in_the_language_of_the_cookie(browser):
    browser.cookies["django_language"] = "en"
    assert "ne répond pas" not in browser.get("/raise/gone").content.decode()


def test_the_page_of_an_unknown_host_does_not_quote_it(browser, settings):
    settings.ALLOWED_HOSTS = ["desk.example"]
    response = browser.get("/fine", HTTP_HOST="evil.example")
    assert response.status_code == 400
    assert "evil.example" not in response.content.decode()


@pytest.mark.parametrize(
    ("path", "fields", "sentence"),
    [
        ("chat/999/take-over", {}, "Cette conversation n'existe pas, ou n'est pas à votre portée."),
        ("settings/tags/999/delete", {}, "Cette étiquette n'existe pas."),
        ("views/999/delete", {}, "Cette vue n'existe pas, ou n'est pas à votre portée."),
        ("notes/999", {"body": "x"}, "Cette note n'existe pas, ou n'est pas à votre portée."),
        (
            "quick-replies/999",
            {"title": "x"},
            "Cette réponse rapide n'existe pas, ou n'est pas à votre portée.",
        ),
    ],
)
def test_a_404_says_what_is_missing(client, mariam, path, fields, sentence):
    client.force_login(mariam)
    response = client.post(f"/dashboard/{path}", fields, headers={"accept": "application/json"})
    assert (response.status_code, response.json()["error"]) == (404, sentence)
