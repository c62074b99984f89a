"""Releases Django's database connection in threads that serve no request.

Django itself does that at the end of a request only. Closing it returns it to the pool.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


def release_connection() -> None:
    """Return this thread's connection to the pool."""
    connection.close()


def release_connection_unless_in_transaction() -> None:
    """Before a slow call to another host: it must not hold one of the few connections meanwhile."""
    if not connection.in_atomic_block:
        release_connection()


@contextmanager
def releasing_connection() -> Iterator[None]:
    """Also a decorator: release the connection when the block or the function ends."""
    try:
        yield
    finally:
        release_connection()
