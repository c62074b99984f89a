"""`relais emulator`: the double as a process of its own, set up from the same environment as the desk."""

import os
import signal
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import uvicorn

from relais.emulator import demo_clients
from relais.emulator.app import build_app
from relais.emulator.settings import DEMO_SENDER, Settings
from relais.emulator.twilio_double import Double
from relais.environment import LOOPBACK, ROOT, Environment, load

HOOK = "/api/twilio/message#rc=3&rp=5xx,ct,rt"


def run(port: int) -> int:
    """Serves on 127.0.0.1 until it is told to stop; port 0 takes a free one. The exit code of the command."""
    double = configured(load(ROOT, os.environ))
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        print(
            f"The Twilio double cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another --port."
        )
        return 1
    print(f"The Twilio double listens on http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    server = DoubleServer(double)
    # uvicorn raises the signal again when it is done; asked to stop and stopped is no failure.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: None)
    with suppress(KeyboardInterrupt), listening:
        server.run(sockets=[listening])
    return 0


def configured(environment: Environment) -> Double:
    settings = Settings(
        account_sid=environment.twilio_account_sid,
        auth_token=environment.twilio_auth_token,
        senders={environment.whatsapp_number or DEMO_SENDER: environment.public_base_url + HOOK},
        reach=_reach(environment),
        lenient_media=environment.demo,
        lenient_window=environment.demo,
        # Long enough together for a desk that is just being started again.
        retry_pause_ms=1000,
    )
    double = Double(settings)
    for name, number in demo_clients.DEMO:
        double.people.add(name, number)
    return double


def _reach(environment: Environment) -> dict[str, str]:
    """`localhost` may mean ::1 first, where the desk does not listen: it is called by its own address."""
    public = environment.public_base_url
    is_local = urlsplit(public).hostname in LOOPBACK
    return {public: f"http://127.0.0.1:{environment.port}"} if is_local else {}


class DoubleServer(uvicorn.Server):
    def __init__(self, double: Double) -> None:
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
        # Those who wait for news would hold up the end.
        self._double.changes.end()
        await super().shutdown(sockets)
