"""`relais web`: uvicorn on a socket of its own or an inherited one. Wiring only."""

import gc
import signal
import socket
import sys
from importlib import import_module
from urllib.parse import urlsplit

import uvicorn

from relais.connections import ConnectionLimits, limits_for_this_process, protocols
from relais.environment import LOOPBACK, Environment
from relais.ops.port import listen
from relais.ops.watch.metrics_store import keeping

PARTS = (
    "relais.shell",
    "relais.conversations.live_source",
    "relais.live.endpoint",
    "relais.whatsapp.inbound.hooks",
)


def load_parts() -> None:
    """What the application is made of, while the tables are prepared.

    Not the application: it looks through the static files when it is made, and they are being made as well.
    """
    for part in PARTS:
        import_module(part)


def serve(environment: Environment, fd: int | None = None, *, plain_door: bool = False) -> int:
    listener = listen(environment.host, environment.port) if fd is None else socket.socket(fileno=fd)
    # uvicorn raises the signal that ended it once more; a stop that was asked for is no failure.
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda signum, frame: None)
    config = _config(environment, plain_door, limits_for_this_process())
    config.load()
    _leave_room_for_the_loop()
    server = uvicorn.Server(config)
    with keeping("web"):
        server.run(sockets=[listener])
    return 0 if server.started else 1


def _leave_room_for_the_loop() -> None:
    """Sockets share the interpreter with the threads of hooks and pages; what holds it up is felt on every screen."""
    # A thread that computes gives way after this long: the loop waits for its turn many times on the way of a message.
    sys.setswitchinterval(0.0005)
    # All that is loaded stays: looking through it for what may go takes tens of milliseconds each time.
    gc.collect()
    gc.freeze()
    # With two thousand sockets open a full round through what came since stops everything for 150 ms; by the usual
    # numbers there is one every six seconds. What is left behind in circles dies young, in the small rounds.
    gc.set_threshold(10_000, 20, 100)


def _config(environment: Environment, plain_door: bool, limits: ConnectionLimits) -> uvicorn.Config:
    return uvicorn.Config(
        "relais.asgi:with_plain_door" if plain_door else "relais.asgi:application",
        **protocols(limits),
        factory=plain_door,
        access_log=False,
        server_header=False,
        log_config=None,  # The settings say how things are logged.
        timeout_graceful_shutdown=5,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        ws_max_size=65_536,
        # Frames are small: packing them costs more time and memory per socket than it saves.
        ws_per_message_deflate=False,
        # A public address means that a proxy stands before us on this machine; only then is its word taken.
        forwarded_allow_ips=[] if _is_direct(environment) else ["127.0.0.1", "::1"],
    )


def _is_direct(environment: Environment) -> bool:
    return urlsplit(environment.public_base_url).hostname in LOOPBACK
