"""The search of the conversation lists: by the client's name or number."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q

from relais.clients.search import MAX_CLIENTS_BY_ID, addresses_by_number, clients_by_name

MAX_SEARCH_CHARACTERS = 100


def matches_client(text: str) -> Q | Exists:
    """Of conversations: the client's name or number contains `text`; accents, case and grouping of digits do not
    matter.
    """
    client_ids = list(_clients_matching(text)[: MAX_CLIENTS_BY_ID + 1])
    if len(client_ids) <= MAX_CLIENTS_BY_ID:
        return Q(client__in=client_ids)
    # So many that going through the list in its order and testing each row finds the first page soon.
    by_name = Exists(clients_by_name(text).filter(pk=OuterRef("client")))
    by_number = addresses_by_number(text)
    return by_name | Exists(by_number.filter(client=OuterRef("client"))) if by_number is not None else by_name


def _clients_matching(text: str) -> models.QuerySet[Any, int]:
    by_name = clients_by_name(text).values_list("pk", flat=True)
    by_number = addresses_by_number(text)
    # A union and not an OR: with OR PostgreSQL uses the index of neither.
    if by_number is None:
        return by_name
    return by_name.union(by_number.values_list("client_id", flat=True), all=True)
