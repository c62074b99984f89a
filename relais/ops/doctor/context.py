"""The context of a check: the environment, a read-only database connection, and the removal of secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from relais.environment import Environment

CONNECT_TIMEOUT_SECONDS = 3
MIN_SECRET_CHARACTERS = 12
"""A shorter password may be a word that our own sentences contain."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class DoctorContext:
    environment: Environment
    live: bool = False
    """Whether checks may call Twilio."""
    without_database: str = ""
    """Why there is none, when that is already known."""
    now: Callable[[], datetime] = _now

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection that only reads. Raises psycopg.Error."""
        if self.without_database:
            raise psycopg.OperationalError(self.without_database)
        with psycopg.connect(
            self.environment.database_url, connect_timeout=CONNECT_TIMEOUT_SECONDS, autocommit=True
        ) as db:
            db.execute("set default_transaction_read_only = on")
            db.execute("set statement_timeout = '4s'")
            yield db

    @property
    def log(self) -> str:
        return str(self.environment.data_dir / "log")

    def without_secrets(self, text: str, *, min_characters: int = MIN_SECRET_CHARACTERS) -> str:
        for secret in self._secret_values():
            if len(secret) >= min_characters:
                text = text.replace(secret, "…")
        return text

    def _secret_values(self) -> list[str]:
        environment = self.environment
        password = str(psycopg.conninfo.conninfo_to_dict(environment.database_url).get("password") or "")
        secrets = [
            *environment.twilio_auth_tokens.values(),
            environment.studio_webhook_secret,
            environment.secret_key,
            environment.vapid_key,
            password,
        ]
        # The longest first: one may be a prefix of another.
        return sorted(filter(None, secrets), key=len, reverse=True)
