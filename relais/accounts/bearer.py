"""Parsing of the `Authorization: Bearer TOKEN` header, once for the hooks and the metrics."""

from __future__ import annotations


def bearer_token(authorization: str) -> str:
    """The token of the header's value; empty when it is missing or of another scheme."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
