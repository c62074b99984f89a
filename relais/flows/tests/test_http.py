"""Where a flow may call, and what it is told when it may not, or nobody answers in time."""

import asyncio
import json
from urllib.parse import parse_qs

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route

from relais.company import words
from relais.emulator.testing import ServerThread
from relais.flows import http
from relais.flows.runner import Errand

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded;charset=utf-8"


async def echo(request):
    body = (await request.body()).decode()
    told = {
        name: request.headers.get(name, "")
        for name in ("idempotency-key", "authorization", "host", "content-type")
    }
    return JSONResponse(
        told | {"method": request.method, "body": parse_qs(body), "query": str(request.url.query)}
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
    Route("/broken", lambda r: PlainTextResponse("panne", 500)),
]


@pytest.fixture(scope="module")
def server():
    server = ServerThread(Starlette(routes=ROUTES))
    yield server
    server.stop()


@pytest.fixture
def listed():
    words.write(words.FLOW_HOSTS, ["127.0.0.1"])


def asks(server, path, method="GET", body="", at=""):
    url = (at or server.url) + path
    return http.fetch(
        Errand(execution_id=1, ref=7, key="FN1-7", method=method, url=url, content_type=FORM, body=body)
    )


@pytest.mark.parametrize(
    "at", ["", "http://localhost:1", "http://[::1]:1", "http://169.254.169.254", "http://10.0.0.1"]
)
def test_our_own_networks_are_out_of_reach(server, at):
    answer = asks(server, "/echo", at=at)
    assert "public" in answer.failure
    assert answer.ref == 7


@pytest.mark.parametrize("at", ["ftp://example.com", "file:///etc", "http://", "//x"])
def test_only_web_addresses_are_called(server, at):
    assert asks(server, "/x", at=at).failure


def test_a_listed_host_is_called_with_a_key_that_stays_the_same(server, listed):
    answer = asks(server, "/echo", "POST", "nom=Fatou&nom=Awa")
    said = json.loads(answer.body)
    assert (answer.status, said["method"], said["body"]) == (200, "POST", {"nom": ["Fatou", "Awa"]})
    assert said["idempotency-key"] == "FN1-7"
    assert answer.content_type == "application/json"


def test_credentials_in_the_address_are_basic(server, listed):
    answer = asks(server, "/echo", at=server.url.replace("://", "://studio:secret@"))
    assert '"authorization":"Basic c3R1ZGlvOnNlY3JldA=="' in answer.body


def test_a_redirect_is_followed_as_browsers_do(server, listed):
    answer = asks(server, "/see-other", "POST", "a=1")
    assert '"method":"GET"' in answer.body
    assert "from=redirect" in answer.body


def test_a_redirect_into_our_networks_is_not_followed(server, listed):
    assert "public" in asks(server, "/inside").failure


@pytest.mark.parametrize(("path", "why"), [("/large", "64 KB"), ("/round", "redirects")])
def test_what_has_no_end_is_cut(server, listed, path, why):
    assert why in asks(server, path).failure


def test_who_does_not_answer_in_time_has_not_answered(server, listed, monkeypatch):
    monkeypatch.setattr(http, "SECONDS", 0.2)
    assert asks(server, "/slow").failure


def test_an_error_of_the_host_is_an_answer(server, listed):
    answer = asks(server, "/broken")
    assert (answer.status, answer.body, answer.failure) == (500, "panne", "")
