"""A double of clamd: speaks its protocol on a TCP port or a socket, and finds the EICAR test file."""

import contextlib
import socket
import socketserver
import struct
import threading

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""In two parts, so that a scanner does not take this file for it."""


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        command = b""
        while not command.endswith(b"\0"):
            command += self.request.recv(1)
        if command == b"zPING\0":
            self.request.sendall(b"PONG\0")
            return
        assert command == b"zINSTREAM\0"
        content = b""
        while length := struct.unpack(">I", self._read(4))[0]:
            content += self._read(length)
        self.server.scanned.append(content)
        if len(content) > self.server.max_bytes:
            self.request.sendall(b"INSTREAM size limit exceeded. ERROR\0")
        elif EICAR in content:
            self.request.sendall(b"stream: Eicar-Test-Signature FOUND\0")
        else:
            self.request.sendall(b"stream: OK\0")

    def _read(self, length):
        content = b""
        while len(content) < length:
            received = self.request.recv(length - len(content))
            if not received:
                raise ConnectionError
            content += received
        return content


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass


class UnixServer(TcpServer):
    address_family = socket.AF_UNIX


@contextlib.contextmanager
def running_clamd(path=None, max_bytes=25 * 1024 * 1024):
    """Yields the server, with its `url` and what it has `scanned`."""
    server = UnixServer(str(path), Handler) if path else TcpServer(("127.0.0.1", 0), Handler)
    server.scanned, server.max_bytes = [], max_bytes
    server.url = f"unix://{path}" if path else f"tcp://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
