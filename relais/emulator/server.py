"""`relais emulator`: the double as its own process, configured from the same environment as the desk."""

import os
import signal
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import uvicorn

from relais.demo_accounts import DEMO_NUMBER
from relais.emulator import dealer_templates, demo_clients
from relais.emulator.app import build_app
from relais.emulator.settings import DoubleSettings
from relais.emulator.twilio_double import TwilioDouble
from relais.environment import LOOPBACK_HOSTS, ROOT, Environment, load

WEBHOOK_PATH = "/api/twilio/message#rc=3&rp=5xx,ct,rt"


def run(port: int) -> int:
    """Serve on 127.0.0.1 until stopped; port 0 takes a free one. Returns the exit code."""
    double = double_from_environment(load(ROOT, os.environ))
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        print(
            f"The Twilio double cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another --port."
        )
        return 1
    print(f"The Twilio double listens on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server = TwilioDoubleServer(double)
    # uvicorn raises the signal again when it is done; a requested stop is no failure.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: None)
    with suppress(KeyboardInterrupt), listener:
        server.run(sockets=[listener])
    return 0


def double_from_environment(environment: Environment) -> TwilioDouble:
    settings = DoubleSettings(
        account_sid=environment.twilio_account_sid,
        auth_token=environment.twilio_auth_token,
        senders={environment.whatsapp_number or DEMO_NUMBER: environment.public_base_url + WEBHOOK_PATH},
        reach=_url_rewrites(environment),
        lenient_media=environment.demo,
        lenient_window=environment.demo,
        lenient_content=environment.demo,
        # All retries together last long enough for a restart of the desk.
        retry_pause_ms=1000,
    )
    double = TwilioDouble(settings)
    for name, number in demo_clients.DEFAULT_CLIENTS:
        double.clients.add(name, number)
    for content in dealer_templates.DEALER_TEMPLATES:
        double.add_content_example(content)
    return double


def _url_rewrites(environment: Environment) -> dict[str, str]:
    """`localhost` may resolve to ::1, where the desk does not listen, so it is called on 127.0.0.1."""
    public = environment.public_base_url
    is_local = urlsplit(public).hostname in LOOPBACK_HOSTS
    return {public: f"http://127.0.0.1:{environment.port}"} if is_local else {}


class TwilioDoubleServer(uvicorn.Server):
    def __init__(self, double: TwilioDouble) -> None:
        config = uvicorn.Config(
            build_app(double),
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._double = double

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Requests that wait for changes would delay the shutdown.
        self._double.changes.close()
        await super().shutdown(sockets)
