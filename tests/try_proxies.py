"""Runs the reverse proxy configurations of `docs/operating.md` in front of a running Relais.

`.venv/bin/python -m tests.try_proxies` needs nginx, caddy and openssl and takes a minute. It exits with 1 when a check
fails. It is no part of `bin/test`.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_websocket

from relais.bench.instance import PASSWORD, RelaisInstance
from relais.emulator.testing import wait_for
from relais.environment import ROOT
from relais.ops.port import free_port
from relais.ops.process import dies_with_parent

HOST = "relais.example.com"
TOKEN = "t" * 32
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log stderr; worker_rlimit_nofile 16384; user root;
events {{ worker_connections 8192; }}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{example} }}
"""


def example(language: str) -> str:
    page = (ROOT / "docs" / "operating.md").read_text()
    [configuration] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return str(configuration)


class ProxyClient:
    """An HTTPS client of Relais behind the proxy."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.base = f"https://{HOST}:{port}"
        self.tls = ssl.create_default_context()
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        return self.tls.wrap_socket(plain, server_hostname=HOST)

    def request(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port)
        connection.sock = self.connect()
        all_headers = {"Host": f"{HOST}:{self.port}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        with suppress(
            BrokenPipeError, ConnectionResetError
        ):  # The proxy refuses a large body before it is sent.
            connection.request(method, path, body or None, all_headers)
        response = connection.getresponse()
        return response, response.read()

    def status(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        return self.request(method, path, body, **headers)[0].status

    def post_message(self, *, signed: bool = True) -> int:
        path = "/api/twilio/message"
        form = {
            "From": "whatsapp:+212612000001",
            "MessageSid": f"SM{secrets.token_hex(16)}",
            "Body": "bonjour",
        }
        signature = RequestValidator(TOKEN).compute_signature(self.base + path, form)
        headers = {"Content_Type": "application/x-www-form-urlencoded"}
        if signed:
            headers["X_Twilio_Signature"] = signature
        return self.status("POST", path, urlencode(form).encode(), **headers)

    def sign_in(self) -> str:
        """Sign in as the admin. Returns the session cookie."""
        response, page = self.request("GET", "/accounts/login/")
        token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.decode())[0]
        cookie = response.headers["Set-Cookie"].split(";")[0]
        form = {"csrfmiddlewaretoken": token, "login": "admin@example.com", "password": PASSWORD}
        response, _ = self.request(
            "POST",
            "/accounts/login/",
            urlencode(form).encode(),
            Cookie=cookie,
            Content_Type="application/x-www-form-urlencoded",
            Referer=f"{self.base}/accounts/login/",
        )
        [session] = [
            value.split(";")[0]
            for value in response.headers.get_all("Set-Cookie", [])
            if "sessionid" in value
        ]
        return session

    def first_frame(self, cookie: str = "") -> Any:
        """The kind of the first frame of a WebSocket, or its close code."""
        headers = {"Cookie": cookie} if cookie else {}
        with connect_websocket(
            f"ws://{HOST}:{self.port}/live",
            sock=self.connect(),
            additional_headers=headers,
            compression=None,
        ) as page:
            try:
                frame = json.loads(page.recv(timeout=10))
                page.ping().wait(10)
                return frame["kind"]
            except ConnectionClosed as closed:
                return closed.rcvd and closed.rcvd.code

    def seconds_until_closed(self, head: bytes) -> float:
        started_at = time.monotonic()
        with self.connect() as plain:
            plain.sendall(head)
            with suppress(ConnectionResetError, ssl.SSLError):
                while plain.recv(65_536):
                    pass
        return time.monotonic() - started_at


def checks(proxied: ProxyClient) -> Iterator[tuple[str, bool]]:
    response, page = proxied.request("GET", "/accounts/login/")
    yield "a page", response.status == 200 and b"csrfmiddlewaretoken" in page
    yield "its cookie is Secure", "Secure" in (response.headers["Set-Cookie"] or "")
    yield "a signed message", proxied.post_message() == 200
    yield "an unsigned message", proxied.post_message(signed=False) == 403
    yield "metrics only with a token", proxied.status("GET", "/metrics") == 401
    yield "a WebSocket without a session", proxied.first_frame() == 4401
    yield "a WebSocket with one", proxied.first_frame(proxied.sign_in()) == "refresh"
    yield "headers of 40 kB", proxied.status("GET", "/accounts/login/", X="y" * 40_000) in (400, 431, 494)
    yield "a body of 4 MB", proxied.status("POST", "/accounts/login/", b"x" * 4_000_000) == 413
    yield "a hook's body of 300 kB", proxied.status("POST", "/api/twilio/message", b"x" * 300_000) == 413
    half = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX: y".encode()
    yield "headers that never end", 5 < proxied.seconds_until_closed(half) < 20
    # Before and after the keep-alive time of the proxy's connections to Relais.
    for _ in range(3):
        yield "a signed message, later", proxied.post_message() == 200
        time.sleep(11)
    yield "health", proxied.status("GET", "/api/health") == 200


@contextmanager
def running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, preexec_fn=dies_with_parent())
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def nginx(folder: Path, port: int, desk: RelaisInstance) -> list[str]:
    text = (
        example("nginx")
        .replace("443 ssl", f"127.0.0.1:{port} ssl")
        .replace("127.0.0.1:8000", f"127.0.0.1:{desk.port}")
        .replace("/etc/ssl/", f"{folder}/")
    )
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, example=text))
    return ["nginx", "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, port: int, desk: RelaisInstance) -> list[str]:
    text = (
        example("caddy")
        .replace("{\n", "{\n    admin off\n    auto_https off\n", 1)
        .replace(f"{HOST} {{", f"https://{HOST}:{port} {{\n    tls {folder}/relais.pem {folder}/relais.key")
        .replace("127.0.0.1:8000", f"127.0.0.1:{desk.port}")
    )
    (folder / "Caddyfile").write_text(text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def environment(port: int) -> dict[str, str]:
    return {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_WHATSAPP_NUMBER": "+14155238886",
        "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
        "PUBLIC_BASE_URL": f"https://{HOST}:{port}",
    }


def check_proxy(name: str, configure: Callable[[Path, int, RelaisInstance], list[str]]) -> bool:
    with tempfile.TemporaryDirectory(prefix="relais-proxy-") as scratch:
        folder, port = Path(scratch), free_port()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}",
             "-addext", f"subjectAltName=DNS:{HOST}",
             "-keyout", str(folder / "relais.key"), "-out", str(folder / "relais.pem")],
            check=True, capture_output=True,
        )  # fmt: skip
        desk = RelaisInstance(folder / "data", free_port(), environment(port))
        desk.start()
        try:
            desk.command(
                *("user", "create", "--email", "admin@example.com", "--name", "Admin", "--role", "admin"),
                *("--password", PASSWORD),
            )
            with running(configure(folder, port, desk)):
                proxied = ProxyClient(port)
                wait_for(lambda: _is_listening(port), 20, f"{name} to listen")
                results = list(checks(proxied))
        finally:
            desk.stop()
    for name_of_check, is_good in results:
        print(f"{name}: {name_of_check}: {'ok' if is_good else 'WRONG'}")
    return all(is_good for _, is_good in results)


def _is_listening(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    return False


def main() -> int:
    missing = [name for name in ("nginx", "caddy", "openssl") if shutil.which(name) is None]
    if missing:
        print(f"Install {' and '.join(missing)} first (apt install {' '.join(missing)}).", file=sys.stderr)
        return 1
    return 0 if all([check_proxy("nginx", nginx), check_proxy("caddy", caddy)]) else 1


if __name__ == "__main__":
    sys.exit(main())
