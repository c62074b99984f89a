"""Middleware of the whole web process: a demo responses on localhost only, and responses carry security headers."""

import socket

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.web_server import WebServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def demo(settings, transactional_db):
    settings.DEMO = True
    with WebServer() as web_server:
        yield web_server


def send_request(web_server, path, *, method="GET", **options):
    return requests.request(method, f"http://127.0.0.1:{web_server.port}{path}", timeout=30, **options)


class TestADemo:
    PATHS = ["/api/live", "/dashboard", "/static/x.css", "/live", "/simulator"]

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "127.1", "[::2]"]
    )
    def test_answers_no_foreign_host(self, demo, host):
        responses = [send_request(demo, path, headers={"Host": host}) for path in self.PATHS]
        responses.append(send_request(demo, "/api/twilio/status", method="POST", headers={"Host": host}))
        assert {response.status_code for response in responses} == {400}

    @pytest.mark.parametrize(
        "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]", "[::1]:8000", "localhost."]
    )
    def test_answers_this_machine_by_all_its_names(self, demo, host):
        assert send_request(demo, "/api/live", headers={"Host": host}).status_code == 200

    def test_opens_no_socket_to_a_foreign_host(self, demo):
        with pytest.raises(InvalidStatus) as refused:
            connect("ws://evil.example/live", sock=_connect(demo))
        assert refused.value.response.status_code == 400

    def test_has_a_simulator(self, demo):
        assert send_request(demo, "/simulator").status_code == 200


def _connect(web_server):
    return socket.create_connection(("127.0.0.1", web_server.port), timeout=30)


@pytest.mark.parametrize("path", ["/accounts/login/", "/api/live", "/api/twilio/message", "/nowhere"])
def test_behind_https_every_response_has_hsts(web_server, path):
    assert send_request(web_server, path).headers["Strict-Transport-Security"] == "max-age=31536000"


def test_without_https_there_is_no_hsts(settings, transactional_db):
    settings.PUBLIC_BASE_URL = "http://192.168.1.20:8000"
    with WebServer() as web_server:
        assert "Strict-Transport-Security" not in send_request(web_server, "/accounts/login/").headers


def test_there_is_no_simulator_outside_a_demo(web_server):
    assert send_request(web_server, "/simulator").status_code == 404
