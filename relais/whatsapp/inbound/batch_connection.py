"""The database connection that a gathering thread keeps between batches: it waits for locks a while, not for ever."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from select import POLLIN, poll
from typing import Any

from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from relais.whatsapp.inbound.batcher import Line

A_WHILE, AT_ONCE, FOR_EVER = "1500ms", "20ms", "0"
"""How long a batch waits for a lock, and each of a batch that fell apart: a hundred of them, and the batch before, are
done within the patience of whoever called."""
CONTENDED = (LockNotAvailable, DeadlockDetected)
OF_ONE_ALONE = (*CONTENDED, QueryCanceled)
"""The database is there and someone keeps what one of the batch needs."""


class DatabaseLine(Line):
    def __init__(self) -> None:
        self._held: BaseDatabaseWrapper | None = None
        self._worn = False
        self._told: tuple[Any, str] = (None, FOR_EVER)
        """Which connection was told how long to wait for locks."""

    def is_away(self, error: Exception) -> bool:
        gone = isinstance(error, (OperationalError, InterfaceError))
        return gone and not isinstance(error.__cause__, OF_ONE_ALONE)

    def is_contended(self, error: Exception) -> bool:
        return isinstance(error.__cause__, CONTENDED)

    def hold(self) -> None:
        if self._held is not None and _was_ended(self._held):
            self.leave()
        self._worn = self._held is not None
        self._held = self._held or connections["default"]
        self._wait_for_locks(self._held, A_WHILE)

    def is_worn(self) -> bool:
        return self._worn

    def hurry(self) -> None:
        if self._held is not None:
            self._wait_for_locks(self._held, AT_ONCE)

    def leave(self) -> None:
        """Given back to the pool only if it waits for locks again as long as any other would."""
        held, self._held = self._held, None
        if held is not None:
            try:
                assert held.connection is not None
                self._wait_for_locks(held, FOR_EVER)
                held.close()
            except Exception:
                _throw_away(held)

    def cut(self) -> None:
        """The thread waits in the kernel: the end of the stream is what wakes it."""
        if self._held is not None and (open_one := self._held.connection) is not None:
            with suppress(OSError), socket.socket(fileno=os.dup(open_one.fileno())) as stream:
                stream.shutdown(socket.SHUT_RDWR)

    def _wait_for_locks(self, held: BaseDatabaseWrapper, patience: str) -> None:
        """Of the session, since one of each transaction would be one more question; undone before it is given back."""
        if held.connection is None or self._told != (held.connection, patience):
            with held.cursor() as cursor:
                cursor.execute("set lock_timeout = %s", [patience])
            self._told = (held.connection, patience)


def _was_ended(held: BaseDatabaseWrapper) -> bool:
    """Between batches the database has nothing to say but that it goes, as on a restart."""
    open_one = held.connection
    if open_one is None or open_one.closed:
        return True
    # Not by `select`, which knows no descriptor above 1,023: with many pages open ours may be one.
    waiting = poll()
    waiting.register(open_one.fileno(), POLLIN)
    return bool(waiting.poll(0))


def _throw_away(held: BaseDatabaseWrapper) -> None:
    """With those like it: the pool would come upon each dead one of its own with ever longer pauses in between."""
    with suppress(Exception):
        if held.connection is not None:
            held.connection.close()
            held.close()
        if pool := getattr(held, "pool", None):
            pool.check()
