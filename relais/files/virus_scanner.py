"""The virus scanner: clamd of ClamAV, by its protocol (INSTREAM), when `CLAMAV_URL` names it.

It takes a gigabyte of memory, so it is a service of its own: `tcp://host:port` or `unix:///path`.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from urllib.parse import urlsplit

from relais.files import metrics

CONNECT_TIMEOUT_SECONDS = 5.0
SCAN_TIMEOUT_SECONDS = 120.0
"""For each answer: a large archive takes its time."""
PING_TIMEOUT_SECONDS = 3.0
MAX_REPLY_BYTES = 4096


class ScannerUnavailable(Exception):
    """The scanner cannot be reached, or could not scan the file. `str()` says why."""


def scan(url: str, chunks: Iterable[bytes]) -> str:
    """The name of what was found; empty if the file is clean. Raises ScannerUnavailable."""
    try:
        reply = _ask(url, b"zINSTREAM\0", chunks, timeout=SCAN_TIMEOUT_SECONDS)
    except OSError as error:
        metrics.count_scan("unavailable")
        raise ScannerUnavailable(type(error).__name__) from error
    finally:
        getattr(chunks, "close", lambda: None)()  # the file, if the scanner stopped reading
    verdict = reply.removeprefix("stream: ")
    if verdict == "OK":
        metrics.count_scan("clean")
        return ""
    if verdict.endswith(" FOUND"):
        metrics.count_scan("infected")
        return verdict.removesuffix(" FOUND")[:200] or "unknown"
    metrics.count_scan("unavailable")
    raise ScannerUnavailable("not scanned")  # such as: INSTREAM size limit exceeded


def ping(url: str) -> None:
    """Raises ScannerUnavailable unless the scanner answers."""
    try:
        reply = _ask(url, b"zPING\0", (), timeout=PING_TIMEOUT_SECONDS)
    except OSError as error:
        raise ScannerUnavailable(type(error).__name__) from error
    if reply != "PONG":
        raise ScannerUnavailable("no PONG")


def _ask(url: str, command: bytes, chunks: Iterable[bytes], *, timeout: float) -> str:
    with _connect(url) as connection:
        connection.settimeout(timeout)
        connection.sendall(command)
        if command.startswith(b"zINSTREAM"):
            for chunk in chunks:
                connection.sendall(struct.pack(">I", len(chunk)) + chunk)
            connection.sendall(struct.pack(">I", 0))
        reply = b""
        while not reply.endswith(b"\0") and len(reply) < MAX_REPLY_BYTES:
            received = connection.recv(MAX_REPLY_BYTES)
            if not received:
                break
            reply += received
    return reply.rstrip(b"\0\n").decode(errors="replace")


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme == "tcp":
        return socket.create_connection((parts.hostname, parts.port), timeout=CONNECT_TIMEOUT_SECONDS)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(CONNECT_TIMEOUT_SECONDS)
        connection.connect(parts.path)
    except BaseException:
        connection.close()
        raise
    return connection
