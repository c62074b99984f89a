"""Faults on the way from Twilio to our door."""

import shutil
import ssl
import subprocess
from dataclasses import replace

import pytest
import requests
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from relais.conversations.models import ConversationEvent
from relais.emulator.testing import ServerThread
from relais.ops.doctor import http_probe, webhooks
from relais.ops.doctor.tests.conftest import with_environment
from relais.ops.port import free_port
from relais.whatsapp import connection_status

HOOK = "/api/twilio/status"


@pytest.fixture
def local(monkeypatch):
    """The tests' own servers are on the loopback address: taken for the internet here."""
    monkeypatch.setattr("relais.ops.doctor.webhooks.LOOPBACK", ())


@pytest.fixture
def stranger(context, local):
    """Something else than Relais answers at the public address."""
    servers = []

    def answers(answer):
        async def endpoint(request):
            return answer

        servers.append(ServerThread(Starlette(routes=[Route(HOOK, endpoint, methods=["POST"])])))
        return with_environment(context, public_base_url=servers[0].url.replace("127.0.0.1", "localhost"))

    yield answers
    for server in servers:
        server.stop()


def test_what_is_signed_is_let_in_and_what_is_not_is_refused(door, local):
    before = connection_status.rejected_signatures.count
    [unencrypted, result] = check(door)
    assert (unencrypted.state, result.state) == ("warning", "ok")
    assert connection_status.rejected_signatures.count == before, "a trial turns nothing red"
    assert not ConversationEvent.objects.exists()


def check(context):

    return list(webhooks.check_public_address(context))


def problems(context):
    return [each for each in check(context) if each.state == "failed"]


def test_the_loopback_address_is_none_for_twilio(door):
    [problem] = problems(door)
    assert "leads to this machine itself" in problem.sentence
    assert "PUBLIC_BASE_URL" in problem.advice


def test_a_demo_is_at_home_on_the_loopback_address(door):
    assert [each.state for each in check(with_environment(door, demo=True))] == ["ok"]


def test_another_token_than_the_one_it_was_started_with_is_reported(door, local):
    [problem] = problems(with_environment(door, twilio_auth_token="f" * 32))
    assert "is refused (403)" in problem.sentence
    assert "restart" in problem.advice


def test_an_address_that_relais_does_not_know_as_its_own_is_reported(door, local, settings):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, public_base_url="https://desk.example")
    assert "is refused (403)" in problems(door)[0].sentence


def test_a_relais_that_cannot_store_is_reported(stranger):
    [problem] = problems(stranger(JSONResponse({"success": "false"}, 503)))
    assert "cannot store" in problem.sentence


def test_nobody_at_the_address_is_reported(context, local):
    [problem] = problems(with_environment(context, public_base_url=f"https://127.0.0.1:{free_port()}"))
    assert "nobody listens there" in problem.sentence


def test_a_redirect_is_a_fault(stranger):
    [problem] = problems(
        stranger(RedirectResponse("https://www.example.com/api/twilio/status?secret=1", 301))
    )
    assert "redirects to https://www.example.com/api/twilio/status:" in problem.sentence


@pytest.mark.parametrize(
    ("status", "sentence"), [(404, "not Relais answers 404"), (200, "not Relais answers 200")]
)
def test_a_stranger_at_the_address_is_reported(stranger, status, sentence):
    [problem] = problems(stranger(Response("<h1>Welcome</h1>", status)))
    assert sentence in problem.sentence


def test_a_door_that_lets_everybody_in_is_reported(stranger):
    [problem] = problems(stranger(Response(status_code=204)))
    assert "wrong signature is answered 204" in problem.sentence


def test_without_a_token_only_the_refusal_is_tried(door, local):
    [_, result] = check(with_environment(door, twilio_auth_token=""))
    assert result.state == "unverified"


def test_an_address_without_tls_is_reported(door, local):
    [problem] = problems(
        with_environment(door, public_base_url=door.environment.public_base_url.replace("http:", "https:"))
    )
    assert "no TLS" in problem.sentence


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes the certificate")
def test_a_certificate_that_nobody_vouches_for_is_reported(context, local, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with shaking_hands(tls) as port:
        [problem] = problems(with_environment(context, public_base_url=f"https://localhost:{port}"))
    assert "certificate does not hold (self-signed certificate)" in problem.sentence


def shaking_hands(tls):
    """A server that gets as far as TLS, once."""
    import contextlib
    import socket
    import threading

    @contextlib.contextmanager
    def serving():
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve():
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    tls.wrap_socket(connection, server_side=True).close()

            thread = threading.Thread(target=serve)
            thread.start()
            yield listener.getsockname()[1]
            thread.join()

    return serving()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (requests.exceptions.ReadTimeout(), "does not answer in time"),
        (requests.exceptions.ConnectTimeout(), "does not answer in time"),
        (
            requests.exceptions.ConnectionError(type("NameResolutionError", (Exception,), {})()),
            "name is not known",
        ),
        (requests.exceptions.ChunkedEncodingError("x"), "broke (ChunkedEncodingError)"),
    ],
)
def test_every_way_not_to_be_reached_has_its_advice(error, sentence):
    why = http_probe._unreachable(error)
    assert sentence in why.sentence
    assert why.advice
