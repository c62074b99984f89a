"""Checks of the public address: reachability, signatures, redirects, TLS."""

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
    """The tests' own servers are on the loopback address: do not report it as unreachable for Twilio."""
    monkeypatch.setattr("relais.ops.doctor.webhooks.LOOPBACK_HOSTS", ())


@pytest.fixture
def foreign_server(context, local):
    """A server that is not Relais and gives one response at the public address."""
    servers = []

    def start(response):
        async def endpoint(request):
            return response

        servers.append(ServerThread(Starlette(routes=[Route(HOOK, endpoint, methods=["POST"])])))
        return with_environment(context, public_base_url=servers[0].url.replace("127.0.0.1", "localhost"))

    yield start
    for server in servers:
        server.stop()


def test_a_signed_call_is_accepted_and_an_unsigned_one_is_rejected(reachable, local):
    before = connection_status.rejected_signatures.count
    [unencrypted, result] = check(reachable)
    assert (unencrypted.state, result.state) == ("warning", "ok")
    assert connection_status.rejected_signatures.count == before, "the probe is not counted"
    assert not ConversationEvent.objects.exists()


def check(context):
    return list(webhooks.check_public_address(context))


def problems(context):
    return [each for each in check(context) if each.state == "failed"]


def test_a_loopback_address_is_reported(reachable):
    [problem] = problems(reachable)
    assert "leads to this machine itself" in problem.sentence
    assert "PUBLIC_BASE_URL" in problem.advice


def test_a_demo_may_use_the_loopback_address(reachable):
    assert [each.state for each in check(with_environment(reachable, demo=True))] == ["ok"]


def test_a_token_changed_since_the_start_is_reported(reachable, local):
    [problem] = problems(with_environment(reachable, twilio_auth_token="f" * 32))
    assert "is refused (403)" in problem.sentence
    assert "restart" in problem.advice


def test_an_address_changed_since_the_start_is_reported(reachable, local, settings):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, public_base_url="https://desk.example")
    assert "is refused (403)" in problems(reachable)[0].sentence


def test_a_503_from_relais_is_reported(foreign_server):
    [problem] = problems(foreign_server(JSONResponse({"success": "false"}, 503)))
    assert "cannot store" in problem.sentence


def test_a_refused_connection_is_reported(context, local):
    [problem] = problems(with_environment(context, public_base_url=f"https://127.0.0.1:{free_port()}"))
    assert "nobody listens there" in problem.sentence


def test_a_redirect_is_reported(foreign_server):
    [problem] = problems(
        foreign_server(RedirectResponse("https://www.example.com/api/twilio/status?secret=1", 301))
    )
    assert "redirects to https://www.example.com/api/twilio/status:" in problem.sentence


@pytest.mark.parametrize(
    ("status", "sentence"), [(404, "not Relais answers 404"), (200, "not Relais answers 200")]
)
def test_a_server_that_is_not_relais_is_reported(foreign_server, status, sentence):
    [problem] = problems(foreign_server(Response("<h1>Welcome</h1>", status)))
    assert sentence in problem.sentence


def test_an_address_that_accepts_wrong_signatures_is_reported(foreign_server):
    [problem] = problems(foreign_server(Response(status_code=204)))
    assert "wrong signature is answered 204" in problem.sentence


def test_without_a_token_only_the_rejection_is_tested(reachable, local):
    [_, result] = check(with_environment(reachable, twilio_auth_token=""))
    assert result.state == "unverified"


def test_an_address_without_tls_is_reported(reachable, local):
    [problem] = problems(
        with_environment(
            reachable, public_base_url=reachable.environment.public_base_url.replace("http:", "https:")
        )
    )
    assert "no TLS" in problem.sentence


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes the certificate")
def test_an_untrusted_certificate_is_reported(context, local, tmp_path):
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
    with tls_server(tls) as port:
        [problem] = problems(with_environment(context, public_base_url=f"https://localhost:{port}"))
    assert "certificate does not hold (self-signed certificate)" in problem.sentence


def tls_server(tls):
    """A server that completes one TLS handshake."""
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
def test_every_connection_error_has_advice(error, sentence):
    unreachable = http_probe._unreachable(error)
    assert sentence in unreachable.sentence
    assert unreachable.advice
