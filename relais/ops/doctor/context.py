"""The installation that is looked at, and the ways to reach its parts. Nothing is changed in any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from relais.environment import Environment

CONNECT = 3
"""Seconds that the database gets to let us in; half of them more for each question."""


WORD = 12
"""Letters: a password that is shorter may be a word, which our own sentences hold as well."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Patient:
    environment: Environment
    live: bool = False
    """Whether Twilio may be asked."""
    without_database: str = ""
    """Why there is none to ask, when that is known already."""
    now: Callable[[], datetime] = _now

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection that only reads. Raises psycopg.Error."""
        if self.without_database:
            raise psycopg.OperationalError(self.without_database)
        with psycopg.connect(self.environment.database_url, connect_timeout=CONNECT, autocommit=True) as db:
            db.execute("set default_transaction_read_only = on")
            db.execute("set statement_timeout = '4s'")
            yield db

    @property
    def log(self) -> str:
        return str(self.environment.data_dir / "log")

    def without_secrets(self, text: str, *, shortest: int = WORD) -> str:
        for secret in self._secrets():
            if len(secret) >= shortest:
                text = text.replace(secret, "…")
        return text

    def _secrets(self) -> list[str]:
        told = self.environment
        password = str(psycopg.conninfo.conninfo_to_dict(told.database_url).get("password") or "")
        secrets = [
            told.twilio_auth_token,
            told.twilio_auth_token_secondary,
            told.studio_webhook_secret,
            told.secret_key,
            password,
        ]
        # The longest first: one may be the beginning of another.
        return sorted(filter(None, secrets), key=len, reverse=True)
