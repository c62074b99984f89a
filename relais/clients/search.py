"""Searching clients by name, e-mail address, VIN and phone number, each by a trigram index."""

from __future__ import annotations

from typing import Any
from unicodedata import category

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, Func, OuterRef, Q, Value

from relais.clients.addresses import CHANNEL, match_key
from relais.clients.models import Client, ClientAddress
from relais.text import ascii_digits

MAX_CLIENTS_BY_ID = 2_000
"""Up to so many clients that match a search, they are looked up by id."""
MIN_SEARCH_DIGITS = 3
MIN_CODE_CHARACTERS = 3
"""A shorter part of a VIN or an e-mail address is searched in names only."""
FIRST_LETTER_WITHOUT_CASE = "\u05d0"


class UnaccentLower(Func):
    """Lower case without accents; immutable, so that it can be indexed."""

    function = "relais_plain"
    output_field = models.TextField()


class PlainHex(Func):
    """The bytes of `UnaccentLower` as hexadecimal digits, indexed by migration 0004 of crm; null if all are ASCII."""

    function = "public.relais_plain_hex"
    output_field = models.TextField()


class TagKeys(Func):
    """Tags without accents and case, as in the index of crm's migration 0002."""

    function = "public.relais_tag_keys"
    output_field = ArrayField(models.TextField())


def clients_with_tag(name: str) -> models.QuerySet[Client]:
    """Clients with the tag; accents and case do not matter."""
    wanted = TagKeys(Value([name], output_field=ArrayField(models.TextField())))
    tagged = Client.objects.exclude(tags=[]).alias(tag_keys=TagKeys("tags"))
    return tagged.filter(tag_keys__contains=wanted)


def search_clients(clients: models.QuerySet[Client], text: str) -> models.QuerySet[Client]:
    """Those whose name, e-mail address, VIN or phone number contains `text`."""
    ids = list(_clients_by_any(text)[: MAX_CLIENTS_BY_ID + 1])
    if len(ids) <= MAX_CLIENTS_BY_ID:
        return clients.filter(pk__in=ids)
    # So many that going through the list in its order and testing each row finds the first page soon.
    found = Q(Exists(clients_by_name(text).filter(pk=OuterRef("pk")))) | _code_contains(text)
    numbers = addresses_by_number(text)
    return clients.filter(found if numbers is None else found | Exists(numbers.filter(client=OuterRef("pk"))))


def _clients_by_any(text: str) -> models.QuerySet[Any, int]:
    # A union and not an OR: with OR PostgreSQL uses the index of neither.
    by_code = [
        Client.objects.filter(**{lookup: value}).values_list("pk") for lookup, value in _codes(text).items()
    ]
    numbers = addresses_by_number(text)
    by_number = [] if numbers is None else [numbers.values_list("client_id")]
    found: Any = clients_by_name(text).values_list("pk", flat=True).union(*by_code, *by_number)
    return found


def _codes(text: str) -> dict[str, str]:
    """The parts of codes that the text may be, by their lookup."""
    compact = "".join(text.split())
    if len(compact) < MIN_CODE_CHARACTERS:
        return {}
    return {"email__icontains": compact, "vin__icontains": compact.replace("-", "")}


def _code_contains(text: str) -> Q:
    condition = Q()
    for lookup, value in _codes(text).items():
        condition |= Q(**{lookup: value})
    return condition


def clients_by_name(text: str) -> models.QuerySet[Client]:
    """Clients whose name or profile name contains every word of the text, whatever accents and case."""
    clients = Client.objects.annotate(
        plain_name=UnaccentLower("client_full_name"), plain_profile=UnaccentLower("whatsapp_profile_name")
    )
    clients = clients.alias(
        hex_name=PlainHex("client_full_name"), hex_profile=PlainHex("whatsapp_profile_name")
    )
    by_name, by_profile = Q(), Q()
    for word in text.split() or [""]:
        wanted = UnaccentLower(Value(word))
        by_name &= Q(plain_name__contains=wanted)
        by_profile &= Q(plain_profile__contains=wanted)
        if _has_letters_without_trigrams(word):
            # Found by this condition, decided by the one above: a byte may begin in the middle of two digits.
            wanted_hex = PlainHex(Value(word))
            by_name &= Q(hex_name__contains=wanted_hex)
            by_profile &= Q(hex_profile__contains=wanted_hex)
    return clients.filter(by_name | by_profile)


def _has_letters_without_trigrams(word: str) -> bool:
    """Letters of Arabic and other scripts without case, which `relais_plain` leaves as they are."""
    return any(character >= FIRST_LETTER_WITHOUT_CASE and category(character) == "Lo" for character in word)


def addresses_by_number(text: str) -> models.QuerySet[ClientAddress] | None:
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
