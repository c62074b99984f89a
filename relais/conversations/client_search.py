"""The search of the conversation lists: by the client's name or number."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Exists, Func, OuterRef, Q, Value

from relais.clients.addresses import CHANNEL, match_key
from relais.clients.models import Client, ClientAddress
from relais.text import ascii_digits

MAX_SEARCH_CHARACTERS = 100
MIN_SEARCH_DIGITS = 3
MAX_CLIENTS_BY_ID = 2_000
"""Up to so many clients that match a search, their conversations are looked up by client id."""


def matches_client(text: str) -> Q | Exists:
    """Of conversations: the client's name or number contains `text`; accents, case and grouping of digits do not
    matter.
    """
    client_ids = list(_clients_matching(text)[: MAX_CLIENTS_BY_ID + 1])
    if len(client_ids) <= MAX_CLIENTS_BY_ID:
        return Q(client__in=client_ids)
    # So many that going through the list in its order and testing each row finds the first page soon.
    by_name = Exists(_clients_by_name(text).filter(pk=OuterRef("client")))
    by_number = _addresses_by_number(text)
    return by_name | Exists(by_number.filter(client=OuterRef("client"))) if by_number is not None else by_name


def _clients_matching(text: str) -> models.QuerySet[Any, int]:
    by_name = _clients_by_name(text).values_list("pk", flat=True)
    by_number = _addresses_by_number(text)
    # A union and not an OR: with OR PostgreSQL uses the index of neither.
    if by_number is None:
        return by_name
    return by_name.union(by_number.values_list("client_id", flat=True), all=True)


def _addresses_by_number(text: str) -> models.QuerySet[ClientAddress] | None:
    """Addresses that contain the digits of the text, of every script; None when there are too few digits.

    A whole number finds its client in each of its national forms.
    """
    digits = "".join(c for c in ascii_digits(text) if c in "0123456789")
    if len(digits) < MIN_SEARCH_DIGITS:
        return None
    number = digits.removeprefix("00").lstrip("0") or digits
    return ClientAddress.objects.filter(
        Q(address__contains=number) | Q(match_key=match_key(f"{CHANNEL}+{number}"))
    )


class UnaccentLower(Func):
    """Lower case without accents; immutable, so that it can be indexed (see migration 0002)."""

    function = "relais_plain"
    output_field = models.TextField()


def _clients_by_name(text: str) -> models.QuerySet[Any]:
    wanted = UnaccentLower(Value(text.strip()))
    return Client.objects.annotate(
        plain_name=UnaccentLower("client_full_name"), plain_profile=UnaccentLower("whatsapp_profile_name")
    ).filter(Q(plain_name__contains=wanted) | Q(plain_profile__contains=wanted))
