"""The hosts that a flow may call, and its failures: forbidden hosts, and hosts that do not answer in time."""

import asyncio
import json
import socket
import threading
import time
from dataclasses import replace
from urllib.parse import parse_qs

import aiohttp
import pytest
from multidict import MultiDict
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route
from twilio.request_validator import RequestValidator

from relais import ssrf_protection
from relais.company import company_settings
from relais.emulator.testing import ServerThread
from relais.flows import http_client, http_limits
from relais.flows.outbound_request import OutboundRequest
from relais.flows.tests.raw_host import ENDLESS, SLOW_HOSTS, raw_hosts

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded;charset=utf-8"


async def echo(request):
    body = (await request.body()).decode()
    headers = {
        name: request.headers.get(name, "")
        for name in ("idempotency-key", "authorization", "host", "content-type", "x-twilio-signature")
    }
    return JSONResponse(
        headers | {"method": request.method, "body": parse_qs(body), "query": str(request.url.query)}
    )


async def slow(request):
    await asyncio.sleep(5)


ROUTES = [
    Route("/echo", echo, methods=["GET", "POST"]),
    Route("/slow", slow),
    Route("/large", lambda r: PlainTextResponse("x" * (64 * 1024 + 1))),
    Route("/see-other", lambda r: RedirectResponse("/echo?from=redirect", 303), methods=["POST"]),
    Route("/inside", lambda r: RedirectResponse("http://127.0.0.2:1/secret")),
    Route("/round", lambda r: RedirectResponse("/round")),
    Route("/elsewhere", lambda r: RedirectResponse("/echo", 307)),
    Route("/broken", lambda r: PlainTextResponse("panne", 500)),
]


@pytest.fixture(scope="module")
def server():
    server = ServerThread(Starlette(routes=ROUTES))
    yield server
    server.stop()


@pytest.fixture
def listed():
    company_settings.set_value(company_settings.FLOW_HOSTS, ["127.0.0.1"])


def asks(server, path, method="GET", body="", at="", **more):
    url = (at or server.url) + path
    request = OutboundRequest(
        execution_id=1, ref=7, key="FN1-7", method=method, url=url, content_type=FORM, body=body, **more
    )
    return http_client.fetch(request)


@pytest.mark.parametrize(
    "at",
    [
        "",
        "http://localhost:1",
        "http://[::1]:1",
        "http://169.254.169.254",
        "http://10.0.0.1",
        "http://192.0.0.1",
    ]
    + [
        "http://[::127.0.0.1]:1",
        "http://[::ffff:127.0.0.1]:1",
        "http://[64:ff9b::7f00:1]:1",
        "http://[fec0::1]:1",
    ]
    + ["http://[2002:7f00:1::]:1", "http://[fe80::1%25lo]:1"],
)
def test_private_networks_are_forbidden(server, at):
    answer = asks(server, "/echo", at=at)
    assert "public" in answer.failure
    assert answer.ref == 7


@pytest.mark.parametrize("at", ["ftp://example.com", "file:///etc", "http://", "//x"])
def test_only_http_and_https_are_allowed(server, at):
    assert asks(server, "/x", at=at).failure


def test_an_allowed_host_is_called_with_an_idempotency_key(server, listed):
    answer = asks(server, "/echo", "POST", "nom=Fatou&nom=Awa")
    payload = json.loads(answer.body)
    assert (answer.status, payload["method"], payload["body"]) == (200, "POST", {"nom": ["Fatou", "Awa"]})
    assert payload["idempotency-key"] == "FN1-7"
    assert answer.content_type == "application/json"


def test_credentials_in_the_url_become_basic_authentication(server, listed):
    answer = asks(server, "/echo", at=server.url.replace("://", "://studio:secret@"))
    assert '"authorization":"Basic c3R1ZGlvOnNlY3JldA=="' in answer.body


def test_redirects_are_followed_as_browsers_do(server, listed):
    answer = asks(server, "/see-other", "POST", "a=1")
    assert '"method":"GET"' in answer.body
    assert "from=redirect" in answer.body


def test_a_redirect_into_a_private_network_is_forbidden(server, listed):
    assert "public" in asks(server, "/inside").failure


@pytest.mark.parametrize("number", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
def test_numeric_notations_of_private_addresses_are_forbidden(server, number):
    assert asks(server, "/echo", at=f"http://{number}:1").failure


def test_a_name_is_resolved_once_and_its_addresses_are_checked(server, monkeypatch):
    answers = iter(["127.0.0.1", "8.8.8.8"])

    def look_up(host, port, *rest):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(ssrf_protection.socket, "getaddrinfo", look_up)
    assert "public" in asks(server, "/echo", at=f"http://rebinding.example:{server.port}").failure
    assert next(answers) == "8.8.8.8"


def test_a_redirect_is_the_response_if_it_is_not_followed(server, listed):
    answer = asks(server, "/see-other", "POST", "a=1", follow_redirects=False)
    assert (answer.status, answer.failure) == (303, "")


def test_the_result_has_the_response_headers(server, listed):
    headers = {name.lower(): value for name, value in asks(server, "/echo").headers.items()}
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(("path", "why"), [("/large", "64 KB"), ("/round", "redirects")])
def test_an_endless_response_fails(server, listed, path, why):
    assert why in asks(server, path).failure


def test_a_slow_host_times_out(server, listed, monkeypatch):
    monkeypatch.setattr(http_limits, "REQUEST_TIMEOUT_SECONDS", 0.2)
    assert "0.2 seconds" in asks(server, "/slow").failure


def test_an_error_status_is_a_response(server, listed):
    answer = asks(server, "/broken")
    assert (answer.status, answer.body, answer.failure) == (500, "panne", "")


# -- slow hosts ------------------------------------------------------------------------------------------


@pytest.fixture
def host():
    with raw_hosts() as make:
        yield make


@pytest.mark.parametrize("behaviour", SLOW_HOSTS)
def test_the_deadline_is_for_the_whole_request(host, listed, monkeypatch, behaviour):
    monkeypatch.setattr(http_limits, "REQUEST_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(http_limits, "MAX_REDIRECTS", ENDLESS)
    began = time.monotonic()
    answer = asks(None, "/", at=host(behaviour))
    assert answer.failure and not answer.status
    assert time.monotonic() - began < 5


def test_the_deadline_includes_the_name_look_up(listed, monkeypatch):
    monkeypatch.setattr(http_limits, "REQUEST_TIMEOUT_SECONDS", 0.2)
    finished = threading.Event()
    monkeypatch.setattr(ssrf_protection.socket, "getaddrinfo", lambda *address: finished.wait(60) and [])
    try:
        assert "0.2 seconds" in asks(None, "/", at="http://slow.example").failure
    finally:
        finished.set()


def test_the_deadline_includes_the_connection(listed, monkeypatch):
    monkeypatch.setattr(http_limits, "REQUEST_TIMEOUT_SECONDS", 0.2)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting = [socket.socket() for _each in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        assert "0.2 seconds" in asks(None, "/", at=f"http://127.0.0.1:{port}").failure
        for each in waiting:
            each.close()


# -- Twilio's own hosts -----------------------------------------------------------------------------------

ACCOUNT, TOKEN = "AC" + "0" * 32, "12345"


@pytest.fixture
def twilio(server, settings):
    """The server stands in for Twilio's API."""
    settings.ENVIRONMENT = replace(
        settings.ENVIRONMENT,
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=TOKEN,
        twilio_api_base_url=server.url,
    )


def test_twilio_gets_its_credentials(server, twilio):
    answer = asks(
        server, "/echo?Page=1", at="https://u:p@api.twilio.com", authentication="twilio_credentials"
    )
    payload = json.loads(answer.body)
    assert (payload["authorization"], payload["query"]) == (
        aiohttp.encode_basic_auth(ACCOUNT, TOKEN),
        "Page=1",
    )


def test_credentials_do_not_follow_a_redirect(server, twilio):
    answer = asks(server, "/elsewhere", at="https://api.twilio.com", authentication="twilio_credentials")
    assert json.loads(answer.body)["authorization"] == ""


@pytest.mark.parametrize("at", ["https://twilio.com.example", "http://api.twilio.com", "https://a.twil.io"])
def test_other_hosts_do_not_get_the_credentials(server, twilio, at):
    assert "Twilio only" in asks(server, "/echo", at=at, authentication="twilio_credentials").failure


def test_without_an_account_nothing_is_sent(server, twilio, settings):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, twilio_account_sid="", twilio_auth_token="")
    answer = asks(server, "/echo", at="https://api.twilio.com", authentication="twilio_credentials")
    assert "account" in answer.failure


def signed_headers(url, body):
    request = OutboundRequest(
        execution_id=1,
        ref=7,
        key="k",
        method="POST",
        url=url,
        content_type=FORM,
        body=body,
        authentication="twilio_signature",
    )
    return http_client._first_hop(request).headers


def test_a_function_at_twilio_is_called_with_a_signature_that_it_accepts(twilio):
    url, body = "https://prices-1234.twil.io/quote?v=2", "model=duster&tag=a&tag=b&empty="
    signature = signed_headers(url, body)["X-Twilio-Signature"]
    fields = MultiDict([("model", "duster"), ("tag", "a"), ("tag", "b"), ("empty", "")])
    assert RequestValidator(TOKEN).validate(url, fields, signature)
    assert not RequestValidator(TOKEN).validate(url, MultiDict([("model", "duster")]), signature)


@pytest.mark.parametrize(
    "url", ["https://functions.example/quote", "http://a.twil.io/", "https://twil.io.example/"]
)
def test_other_hosts_do_not_get_a_signature(twilio, url):
    assert signed_headers(url, "a=1") == {}
