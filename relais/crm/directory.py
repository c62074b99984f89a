"""Pages of the clients within reach."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from relais.accounts.models import User
from relais.clients.models import Client
from relais.clients.search import search_clients
from relais.conversations.client_reach import clients_within_reach
from relais.web.request_fields import parse_id

PAGE_SIZE = 50


@dataclass(frozen=True)
class ClientPage:
    rows: list[Client]
    next: str
    """The cursor for `after`; empty on the last page."""


def clients_found(user: User, text: str) -> QuerySet[Client]:
    """Those within reach that match the search; all of them without one."""
    clients = clients_within_reach(user)
    return search_clients(clients, text) if text else clients


def page_of_clients(user: User, *, text: str = "", after: str = "", size: int = PAGE_SIZE) -> ClientPage:
    """The newest clients first. An invalid cursor gives the first page."""
    clients = clients_found(user, text)
    if cursor := parse_id(after):
        clients = clients.filter(pk__lt=cursor)
    rows = list(clients.prefetch_related("addresses").order_by("-pk")[: size + 1])
    return ClientPage(rows[:size], str(rows[size - 1].pk) if len(rows) > size else "")
