"""The port is taken by the supervisor and handed on, so that a restarted web server loses no connection."""

import errno
import socket

from relais.ops.errors import OperationError

GONE = 60_000
"""Milliseconds after which a connection whose other side acknowledges nothing is dropped, with what waits for it."""


def listen(host: str, port: int) -> socket.socket:
    """Taken at once: who connects before the web server runs waits for it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; each connection has it from the listener.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        raise OperationError(_sentence(error, host, port)) from error
    return listener


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program: stop that one, or choose another by RELAIS_PORT."
    if error.errno == errno.EACCES:
        return f"Port {port} on {host} may not be used by this user: choose one above 1023 by RELAIS_PORT."
    return f"It is not possible to listen on {host}, port {port} ({error.strerror}): see RELAIS_HOST and RELAIS_PORT."
