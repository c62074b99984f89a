"""The listening socket, and the options its connections inherit."""

import socket

import pytest

from relais.ops.port import TCP_USER_TIMEOUT_MILLISECONDS, listen


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
def test_a_connection_whose_peer_vanished_is_dropped_in_a_minute():
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert (
                connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                == TCP_USER_TIMEOUT_MILLISECONDS
            )
