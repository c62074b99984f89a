"""A request of a flow to a foreign host, as the runner stores it and `http_client` sends it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OutboundRequest:
    """Sent between two transactions: at least once, with the same idempotency key `key` each time."""

    execution_id: int
    ref: int
    key: str
    method: str
    url: str
    content_type: str
    body: str
    authentication: str = ""
    follow_redirects: bool = True
