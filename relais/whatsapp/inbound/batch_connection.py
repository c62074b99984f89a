"""The database connection that a batcher's thread keeps between batches, with a bounded wait for locks."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from select import POLLIN, poll
from typing import Any

from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from relais.whatsapp.inbound.batcher import BatchResource

LOCK_TIMEOUT, SHORT_LOCK_TIMEOUT, NO_LOCK_TIMEOUT = "1500ms", "20ms", "0"
"""How long a batch waits for a lock, and how long each item does that is retried individually: a hundred of them, and
the batch before, are done within the timeout of their callers."""
CONTENTION_ERRORS = (LockNotAvailable, DeadlockDetected)
SINGLE_ITEM_ERRORS = (*CONTENTION_ERRORS, QueryCanceled)
"""The database is available, but another session holds what one item of the batch needs."""


class BatchConnection(BatchResource):
    def __init__(self) -> None:
        self._connection: BaseDatabaseWrapper | None = None
        self._is_reused = False
        self._timeout_set: tuple[Any, str] = (None, NO_LOCK_TIMEOUT)
        """The connection whose lock timeout was set last, and to what."""

    def is_unavailable(self, error: Exception) -> bool:
        is_connection_error = isinstance(error, (OperationalError, InterfaceError))
        return is_connection_error and not isinstance(error.__cause__, SINGLE_ITEM_ERRORS)

    def is_contended(self, error: Exception) -> bool:
        return isinstance(error.__cause__, CONTENTION_ERRORS)

    def acquire(self) -> None:
        if self._connection is not None and _was_closed_by_server(self._connection):
            self.release()
        self._is_reused = self._connection is not None
        self._connection = self._connection or connections["default"]
        self._set_lock_timeout(self._connection, LOCK_TIMEOUT)

    def is_reused(self) -> bool:
        return self._is_reused

    def shorten_lock_timeout(self) -> None:
        if self._connection is not None:
            self._set_lock_timeout(self._connection, SHORT_LOCK_TIMEOUT)

    def release(self) -> None:
        """Return it to the pool, but only with the lock timeout reset as other users of the pool expect it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                assert connection.connection is not None
                self._set_lock_timeout(connection, NO_LOCK_TIMEOUT)
                connection.close()
            except Exception:
                _discard(connection)

    def abort(self) -> None:
        """The thread is blocked in the kernel: shutting down the socket wakes it."""
        if self._connection is not None and (psycopg_connection := self._connection.connection) is not None:
            with suppress(OSError), socket.socket(fileno=os.dup(psycopg_connection.fileno())) as stream:
                stream.shutdown(socket.SHUT_RDWR)

    def _set_lock_timeout(self, connection: BaseDatabaseWrapper, timeout: str) -> None:
        """Per session, since `set local` would cost a round trip per transaction; reset before the release."""
        if connection.connection is None or self._timeout_set != (connection.connection, timeout):
            with connection.cursor() as cursor:
                cursor.execute("set lock_timeout = %s", [timeout])
            self._timeout_set = (connection.connection, timeout)


def _was_closed_by_server(connection: BaseDatabaseWrapper) -> bool:
    """Between batches the only thing the server sends is that it closes the connection, as on a restart."""
    psycopg_connection = connection.connection
    if psycopg_connection is None or psycopg_connection.closed:
        return True
    # Not `select`: it takes no descriptor above 1,023, and with many pages open ours may be one.
    readable = poll()
    readable.register(psycopg_connection.fileno(), POLLIN)
    return bool(readable.poll(0))


def _discard(connection: BaseDatabaseWrapper) -> None:
    """Close it, and let the pool check all others: it would find each dead one only after ever longer pauses."""
    with suppress(Exception):
        if connection.connection is not None:
            connection.connection.close()
            connection.close()
        if pool := getattr(connection, "pool", None):
            pool.check()
