"""The proxies of `docs/operating.md`, as they stand there, in front of a running Relais.

`.venv/bin/python -m tests.try_proxies` wants nginx, caddy and openssl; it takes a minute, ends with 1 when something is
not as it should be, and is no part of `bin/test`.
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
from websockets.sync.client import connect

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
    [found] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return str(found)


class Proxied:
    """Relais as it is seen from outside."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.base = f"https://{HOST}:{port}"
        self.tls = ssl.create_default_context()
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    def connects(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        return self.tls.wrap_socket(plain, server_hostname=HOST)

    def asks(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port)
        connection.sock = self.connects()
        sent = {"Host": f"{HOST}:{self.port}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        with suppress(BrokenPipeError, ConnectionResetError):  # It is refused while it is still being sent.
            connection.request(method, path, body or None, sent)
        answer = connection.getresponse()
        return answer, answer.read()

    def status(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        return self.asks(method, path, body, **headers)[0].status

    def message(self, *, signed: bool = True) -> int:
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

    def signs_in(self) -> str:
        """The session's cookie."""
        answer, page = self.asks("GET", "/accounts/login/")
        token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.decode())[0]
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        form = {"csrfmiddlewaretoken": token, "login": "admin@example.com", "password": PASSWORD}
        answer, _ = self.asks(
            "POST",
            "/accounts/login/",
            urlencode(form).encode(),
            Cookie=cookie,
            Content_Type="application/x-www-form-urlencoded",
            Referer=f"{self.base}/accounts/login/",
        )
        [session] = [
            value.split(";")[0] for value in answer.headers.get_all("Set-Cookie", []) if "sessionid" in value
        ]
        return session

    def first_frame(self, cookie: str = "") -> Any:
        """What a WebSocket hears first, or the code it is closed with."""
        headers = {"Cookie": cookie} if cookie else {}
        with connect(
            f"ws://{HOST}:{self.port}/live",
            sock=self.connects(),
            additional_headers=headers,
            compression=None,
        ) as page:
            try:
                frame = json.loads(page.recv(timeout=10))
                page.ping().wait(10)
                return frame["kind"]
            except ConnectionClosed as closed:
                return closed.rcvd and closed.rcvd.code

    def seconds_until_closed(self, sent: bytes) -> float:
        begun = time.monotonic()
        with self.connects() as plain:
            plain.sendall(sent)
            with suppress(ConnectionResetError, ssl.SSLError):
                while plain.recv(65_536):
                    pass
        return time.monotonic() - begun


def checks(proxied: Proxied) -> Iterator[tuple[str, bool]]:
    answer, page = proxied.asks("GET", "/accounts/login/")
    yield "a page", answer.status == 200 and b"csrfmiddlewaretoken" in page
    yield "its cookie is Secure", "Secure" in (answer.headers["Set-Cookie"] or "")
    yield "a signed message", proxied.message() == 200
    yield "an unsigned message", proxied.message(signed=False) == 403
    yield "figures only with a token", proxied.status("GET", "/metrics") == 401
    yield "a WebSocket without a session", proxied.first_frame() == 4401
    yield "a WebSocket with one", proxied.first_frame(proxied.signs_in()) == "refresh"
    yield "headers of 40 kB", proxied.status("GET", "/accounts/login/", X="y" * 40_000) in (400, 431, 494)
    yield "a body of 4 MB", proxied.status("POST", "/accounts/login/", b"x" * 4_000_000) == 413
    yield "a hook's body of 300 kB", proxied.status("POST", "/api/twilio/message", b"x" * 300_000) == 413
    half = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX: y".encode()
    yield "headers that never end", 5 < proxied.seconds_until_closed(half) < 20
    # Before and after the connections to Relais that a proxy keeps have had their time.
    for _ in range(3):
        yield "a signed message, later", proxied.message() == 200
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


def tries(name: str, configure: Callable[[Path, int, RelaisInstance], list[str]]) -> bool:
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
                proxied = Proxied(port)
                wait_for(lambda: _listens(port), 20, f"{name} to listen")
                results = list(checks(proxied))
        finally:
            desk.stop()
    for what, is_good in results:
        print(f"{name}: {what}: {'ok' if is_good else 'WRONG'}")
    return all(is_good for _, is_good in results)


def _listens(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    return False


def main() -> int:
    missing = [name for name in ("nginx", "caddy", "openssl") if shutil.which(name) is None]
    if missing:
        print(f"Install {' and '.join(missing)} first (apt install {' '.join(missing)}).", file=sys.stderr)
        return 1
    return 0 if all([tries("nginx", nginx), tries("caddy", caddy)]) else 1


if __name__ == "__main__":
    sys.exit(main())
