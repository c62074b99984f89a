"""What goes wrong is said in a sentence; what it was stays in the log."""

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


def breaks(request, how):
    raise {
        "bug": RuntimeError(SECRET),
        "gone": OperationalError(SECRET),
        "lost": InterfaceError(SECRET),
        "pool": PoolTimeout(SECRET),
        "forbidden": PermissionDenied(SECRET),
    }[how]


urlpatterns = [
    path("breaks/<how>", breaks),
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
def test_a_page_says_it_in_a_sentence(browser, how, status, sentence):
    answer = browser.get(f"/breaks/{how}")
    page = answer.content.decode()
    assert answer.status_code == status
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
def test_a_program_is_told_in_json(browser, how, status, code):
    answer = browser.get(f"/breaks/{how}", headers={"accept": "application/json"})
    assert answer.status_code == status
    assert answer.json()["success"] is False
    assert answer.json()["code"] == code
    assert SECRET not in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_page_needs_neither_session_nor_database_to_say_that_it_is_gone(browser, awa):
    browser.force_login(awa)

    def gone(*args):
        raise OperationalError(SECRET)

    with connection.execute_wrapper(gone):
        answer = browser.get("/fine")
    assert answer.status_code == 503
    assert answer["Content-Security-Policy"]
    assert b'http-equiv="refresh"' in answer.content
    assert browser.get("/fine").status_code == 200


def test_a_form_that_met_an_outage_is_not_sent_again_by_a_reload(browser):
    assert b'http-equiv="refresh"' not in browser.post("/breaks/gone").content


def test_the_sentence_is_in_the_language_chosen_in_this_browser(browser):
    browser.cookies["django_language"] = "en"
    assert "ne répond pas" not in browser.get("/breaks/gone").content.decode()


def test_a_host_that_is_not_ours_is_told_nothing(browser, settings):
    settings.ALLOWED_HOSTS = ["desk.example"]
    answer = browser.get("/fine", HTTP_HOST="evil.example")
    assert answer.status_code == 400
    assert "evil.example" not in answer.content.decode()
