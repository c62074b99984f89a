"""The name of this process in heartbeats, claims and metrics."""

import os
import socket


def process_identity() -> str:
    """`HOST:PID`."""
    return f"{socket.gethostname()}:{os.getpid()}"
