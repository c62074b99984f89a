"""Clients who may be the same person: the same VIN or e-mail address, or another form of the number.

The national forms of a number that are certain (Mexico, Brazil, Argentina, Benin, most of Ivory Coast) are one
address already (`clients/addresses.py`). What is left are the uncertain ones: another prefix of Ivory Coast's
renumbering of 2021 before the same eight digits, and a national 0 after the country code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.clients.addresses import CHANNEL
from relais.clients.models import Client, ClientAddress, DismissedDuplicate
from relais.conversations.client_reach import clients_within_reach

MAX_DUPLICATES = 10
IVORY_COAST = "+225"
IVORY_COAST_PREFIXES = ("01", "05", "07", "21", "25", "27")
IVORY_COAST_OLD_DIGITS = 8


@dataclass(frozen=True)
class Duplicate:
    client: Client
    reason: str


def duplicates_of(client: Client, user: User) -> list[Duplicate]:
    """Within the user's reach, without those that somebody dismissed."""
    reachable = clients_within_reach(user).exclude(pk=client.pk).exclude(pk__in=_dismissed(client))
    by_number = ClientAddress.objects.filter(address__in=_uncertain_forms(client)).values("client")
    reasons: list[tuple[str, Q | None]] = [
        (_("même VIN"), Q(vin__iexact=client.vin) if client.vin else None),
        (_("même e-mail"), Q(email__iexact=client.email) if client.email else None),
        (_("autre forme du numéro"), Q(pk__in=by_number)),
    ]
    found: dict[int, Duplicate] = {}
    for reason, condition in reasons:
        if condition is not None:
            for each in _first(reachable.filter(condition)):
                found.setdefault(each.pk, Duplicate(each, reason))
    return list(found.values())[:MAX_DUPLICATES]


def _first(clients: QuerySet[Client]) -> Iterable[Client]:
    return clients.prefetch_related("addresses").order_by("pk")[:MAX_DUPLICATES]


def _dismissed(client: Client) -> list[int]:
    pairs = DismissedDuplicate.objects.filter(Q(one=client) | Q(other=client)).values_list("one", "other")
    return [other if one == client.pk else one for one, other in pairs]


def _uncertain_forms(client: Client) -> list[str]:
    numbers = [address.phone_number for address in client.addresses.all() if address.phone_number]
    return [CHANNEL + form for number in numbers for form in _forms_of_number(number) if form != number]


def _forms_of_number(number: str) -> set[str]:
    forms = _with_and_without_trunk_zero(number)
    if number.startswith(IVORY_COAST):
        last = number[-IVORY_COAST_OLD_DIGITS:]
        forms |= {f"{IVORY_COAST}{prefix}{last}" for prefix in IVORY_COAST_PREFIXES}
    return forms


def _with_and_without_trunk_zero(number: str) -> set[str]:
    import phonenumbers  # Large, and not needed at startup.

    for length in range(1, 4):
        code = number[1 : 1 + length]
        if code.isdigit() and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            national = number[1 + length :]
            return {f"+{code}{national.removeprefix('0')}", f"+{code}0{national}"}
    return set()


def dismiss_duplicate(client: Client, other: Client, *, by: User, at: datetime) -> None:
    """Idempotent: the first who said so is kept."""
    one, two = sorted((client.pk, other.pk))
    defaults: dict[str, Any] = {"author_name": str(by), "created_at": at}
    DismissedDuplicate.objects.get_or_create(one_id=one, other_id=two, defaults=defaults)
