"""The listening socket: opened by the supervisor and inherited by web, so that a restart refuses no connection."""

import errno
import socket

from relais.ops.errors import OperationError

TCP_USER_TIMEOUT_MILLISECONDS = 60_000
"""A connection whose peer acknowledges no data for so long is dropped, with its buffers."""


def listen(host: str, port: int) -> socket.socket:
    """Listen before the web server runs: early connections wait in the backlog."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it from the listener.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MILLISECONDS)
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
