"""`relais web`: the HTTP server with the application of `relais.asgi`, on a new or an inherited socket. Wiring only."""

import signal
import socket
from importlib import import_module
from urllib.parse import urlsplit

from relais.environment import LOOPBACK_HOSTS, Environment
from relais.http_server.connection_limits import limits_for_this_process
from relais.http_server.server import load_server, uvicorn_config
from relais.live import websocket_limits
from relais.ops.port import listen
from relais.ops.watch.metrics_store import storing_metrics

PRELOADED_MODULES = (
    "relais.http_server.django_bridge",
    "relais.conversations.live_source",
    "relais.live.endpoint",
    "relais.whatsapp.inbound.routes",
)


def preload_modules() -> None:
    """Import what the application consists of, while the tables are being prepared.

    Not the application itself: it scans the static files when it is made, and they are being collected meanwhile.
    """
    for module in PRELOADED_MODULES:
        import_module(module)


def serve(environment: Environment, fd: int | None = None, *, batch_hooks: bool = True) -> int:
    listener = listen(environment.host, environment.port) if fd is None else socket.socket(fileno=fd)
    # uvicorn raises the signal that ended it once more; a requested stop is no failure.
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda signum, frame: None)
    config = uvicorn_config(
        "relais.asgi:application" if batch_hooks else "relais.asgi:make_application_without_batching",
        limits_for_this_process(),
        websocket_ping_seconds=websocket_limits.PING_SECONDS,
        max_websocket_message_bytes=websocket_limits.MAX_MESSAGE_BYTES,
        is_factory=not batch_hooks,
        # A public address means that a proxy stands before us on this machine. Only then its headers are trusted.
        trust_local_proxy=urlsplit(environment.public_base_url).hostname not in LOOPBACK_HOSTS,
    )
    server = load_server(config)
    with storing_metrics("web"):
        server.run(sockets=[listener])
    return 0 if server.started else 1
