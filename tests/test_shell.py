"""The shell around the pages: whom it answers, what it hands on, and how files go out."""

import gzip
import socket

import pytest
import requests
from django.core.management import call_command
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from relais.shell import LARGEST_FORM, Pages
from tests.web_server import WebServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def web_server(transactional_db, settings, tmp_path):
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "relais.web.storage.Storage"}}
    call_command("collectstatic", interactive=False, verbosity=0)
    with WebServer() as web_server:
        yield web_server


@pytest.fixture
def demo(settings, transactional_db):
    settings.DEMO = True
    with WebServer() as web_server:
        yield web_server


def ask(web_server, path, *, method="GET", **options):
    return requests.request(method, f"http://127.0.0.1:{web_server.port}{path}", timeout=10, **options)


class TestADemo:
    PATHS = ["/api/live", "/dashboard", "/static/x.css", "/live", "/simulator"]

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "127.1", "[::2]"]
    )
    def test_answers_no_foreign_host(self, demo, host):
        answers = [ask(demo, path, headers={"Host": host}) for path in self.PATHS]
        answers.append(ask(demo, "/api/twilio/status", method="POST", headers={"Host": host}))
        assert {answer.status_code for answer in answers} == {400}

    @pytest.mark.parametrize(
        "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]", "[::1]:8000", "localhost."]
    )
    def test_answers_this_machine_by_all_its_names(self, demo, host):
        assert ask(demo, "/api/live", headers={"Host": host}).status_code == 200

    def test_opens_no_socket_to_a_foreign_host(self, demo):
        with pytest.raises(InvalidStatus) as refused:
            connect("ws://evil.example/live", sock=_connected(demo))
        assert refused.value.response.status_code == 400

    def test_has_a_phone(self, demo):
        assert ask(demo, "/simulator").status_code == 200


def _connected(web_server):
    return socket.create_connection(("127.0.0.1", web_server.port), timeout=10)


def test_a_form_that_is_too_large_is_refused_before_it_reaches_a_page(web_server):
    assert (
        ask(web_server, "/accounts/login/", method="POST", data=b"x" * (LARGEST_FORM + 1)).status_code == 413
    )


@pytest.mark.parametrize("path", ["/accounts/login/", "/api/live", "/api/twilio/message", "/nowhere"])
def test_behind_https_every_answer_asks_for_https(web_server, path):
    assert ask(web_server, path).headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_desk_without_https_asks_for_none(settings, transactional_db):
    settings.PUBLIC_BASE_URL = "http://192.168.1.20:8000"
    with WebServer() as web_server:
        assert "Strict-Transport-Security" not in ask(web_server, "/accounts/login/").headers


def test_there_is_no_phone_outside_a_demo(web_server):
    assert ask(web_server, "/simulator").status_code == 404


def test_an_unknown_page_is_a_page(web_server):
    answer = ask(web_server, "/nowhere")
    assert (answer.status_code, "Traceback" in answer.text) == (404, False)


def test_no_header_can_pass_for_another(web_server):
    seen = {}

    def django(environ, start_response):
        seen.update(environ)
        start_response("204 No Content", [])
        return []

    web_server.application.router.default = Pages(django)
    ask(web_server, "/x?q=%C3%A9", headers={"X_Forwarded_For": "1.2.3.4", "X-Real": "yes"})
    assert "HTTP_X_FORWARDED_FOR" not in seen
    assert (seen["HTTP_X_REAL"], seen["QUERY_STRING"], seen["PATH_INFO"]) == ("yes", "q=%C3%A9", "/x")


def test_files_with_a_hash_in_their_name_are_kept_for_ever(web_server):
    from django.contrib.staticfiles.storage import staticfiles_storage

    url = staticfiles_storage.url("js/live.js")
    answer = ask(web_server, url, stream=True)
    assert answer.headers["Cache-Control"] == "max-age=315360000, public, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert b"relais:row" in gzip.decompress(answer.raw.read())
    assert "immutable" not in ask(web_server, "/static/js/live.js").headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["/static/none.css", "/static/../settings.py", "/static/%2e%2e/settings.py", "/static/"]
)
def test_there_is_no_file_but_what_was_collected(web_server, path):
    assert ask(web_server, path).status_code == 404
