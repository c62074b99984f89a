"""uvicorn, configured for one web process: connection limits, WebSocket pings, the proxy's headers, tuned threads."""

import gc
import sys

import uvicorn

from relais.http_server.connection_limits import ConnectionLimits, uvicorn_protocols

THREAD_SWITCH_INTERVAL_SECONDS = 0.0005
GRACEFUL_SHUTDOWN_SECONDS = 5


def uvicorn_config(
    application: str,
    limits: ConnectionLimits,
    *,
    websocket_ping_seconds: float,
    max_websocket_message_bytes: int,
    is_factory: bool = False,
    trust_local_proxy: bool,
) -> uvicorn.Config:
    """`application` is named as `module:attribute`."""
    return uvicorn.Config(
        application,
        **uvicorn_protocols(limits),
        factory=is_factory,
        access_log=False,
        server_header=False,
        log_config=None,  # Django's settings configure logging.
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
        ws_ping_interval=websocket_ping_seconds,
        ws_ping_timeout=websocket_ping_seconds,
        ws_max_size=max_websocket_message_bytes,
        # Frames are small: compressing them costs more time and memory per socket than it saves.
        ws_per_message_deflate=False,
        forwarded_allow_ips=["127.0.0.1", "::1"] if trust_local_proxy else [],
    )


def load_server(config: uvicorn.Config) -> uvicorn.Server:
    """Import the application, and tune the process for serving it."""
    config.load()
    _prioritise_event_loop()
    return uvicorn.Server(config)


def _prioritise_event_loop() -> None:
    """The event loop shares the interpreter with the threads of hooks and pages. Every screen notices its delays."""
    # How long a computing thread keeps the GIL: the loop waits for it many times on the way of one message.
    sys.setswitchinterval(THREAD_SWITCH_INTERVAL_SECONDS)
    # All that is loaded stays. Scanning it for garbage would take tens of milliseconds each time.
    gc.collect()
    gc.freeze()
    # With two thousand sockets open a full collection stops everything for 150 ms, and with Python's default
    # thresholds there is one every six seconds. Reference cycles mostly die young, in the small collections.
    gc.set_threshold(10_000, 20, 100)
