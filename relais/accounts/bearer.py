"""Bearer tokens of programs: their format, and parsing of the `Authorization: Bearer TOKEN` header."""

from __future__ import annotations

import re
import secrets

TOKEN_PREFIX = "relais_"  # noqa: S105
TOKEN_PATTERN = re.compile(TOKEN_PREFIX + r"[A-Za-z0-9_-]{43}")
"""As `new_token` makes them; nothing else is looked up."""


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def bearer_token(authorization: str) -> str:
    """The token of the header's value; empty when it is missing or of another scheme."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
