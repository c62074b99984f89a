"""One person, several addresses: a phone number, and the name that WhatsApp gives instead of it.

A message that names both makes them addresses of one client. Two clients that turn out to be one person are merged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connection

from relais.clients.addresses import match_key, phone_number
from relais.clients.models import Client, ClientAddress
from relais.conversations.models import Conversation

if TYPE_CHECKING:
    from relais.conversations.inbound import InboundMessage

# Every message of a client may name his two addresses: nearly always they are known to be his.
NOT_LINKED = """
select t.ord
  from jsonb_to_recordset(%s::jsonb) as t(ord int, one text, other text)
  left join client_addresses a on a.match_key = t.one
  left join client_addresses b on b.match_key = t.other
 where a.client_id is null or b.client_id is null or a.client_id <> b.client_id
 order by t.ord
"""
FIELDS = ("client_full_name", "whatsapp_profile_name", "email", "vin", "carte_vip", "is_client")
EMPTY = ("", None)


def link_addresses(messages: Sequence[InboundMessage], *, at: datetime) -> set[str]:
    """Make the two addresses that a message names one client's. Call in the transaction that stores the messages.

    Returns the sids of the messages with which a client became known here. Whoever races with it is refused by a
    unique index (IntegrityError), and the batch is run again.
    """
    pairs = {n: (m.address, m.other_address) for n, m in enumerate(messages) if m.other_address}
    if not pairs:
        return set()
    given = [
        {"ord": n, "one": match_key(one), "other": match_key(other)} for n, (one, other) in pairs.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(NOT_LINKED, [json.dumps(given)])
        not_linked = [n for (n,) in cursor.fetchall()]
    clients_made = {_link(pairs[n], messages[n], at) for n in not_linked}
    return _first_of(clients_made, messages) if clients_made - {None} else set()


def _link(pair: tuple[str, str], message: InboundMessage, at: datetime) -> int | None:
    """The client, if it had to be made."""
    keys = {match_key(address): address for address in pair}
    known = {each.match_key: each for each in ClientAddress.objects.filter(match_key__in=keys)}
    owners = sorted({address.client_id for address in known.values()})
    made = None
    if not owners:
        client = Client.objects.create(whatsapp_profile_name=message.profile_name, created_at=at)
        made = client.pk
    elif len(owners) == 1:
        client = Client.objects.get(pk=owners[0])
    else:
        client = merge_clients(*owners, at=at)
    # In the order of their keys, so that two batches with the same addresses never wait for each other in a ring.
    for key in sorted(keys.keys() - known.keys()):
        address = keys[key]
        ClientAddress.objects.create(
            client=client, address=address, phone_number=phone_number(address), created_at=at
        )
    if any(address.opted_out_at for address in known.values()):
        client.refresh_opted_out_at()
    return made


def _first_of(clients: set[int | None], messages: Sequence[InboundMessage]) -> set[str]:
    """The first message of each of these clients."""
    addresses = ClientAddress.objects.filter(client__in=clients - {None})
    client_of = dict(addresses.values_list("match_key", "client_id"))
    firsts: dict[int, str] = {}
    for message in messages:
        if client := client_of.get(match_key(message.address)):
            firsts.setdefault(client, message.sid)
    return set(firsts.values())


def merge_clients(kept: int, merged: int, *, at: datetime) -> Client:
    """Two clients are one person: all of `merged` goes to `kept`, and of two open conversations with one of our numbers
    one goes on. Call in a transaction.

    The other ends, its history as it was, and says where it goes on. What is known of the person only under `merged` is
    kept; where the two differ, what `merged` had becomes an attribute beside it.
    """
    open_ones = Conversation.objects.filter(client__in=[kept, merged]).open().order_by("pk")
    locked = list(open_ones.select_for_update(no_key=True))
    clients = Client.objects.select_for_update().filter(pk__in=[kept, merged]).in_bulk()
    if len(clients) < 2:
        raise IntegrityError("another transaction merged these clients")
    _end_all_but_one(locked, at)
    # The conversations follow their addresses: the foreign key that both refer to says so.
    ClientAddress.objects.filter(client=merged).update(client=kept)
    _keep_what_is_known(clients[kept], clients[merged])
    clients[merged].delete()
    clients[kept].refresh_opted_out_at()
    for conversation in Conversation.objects.filter(client=kept).open().order_by("pk"):
        conversation.touch()
    return clients[kept]


def _end_all_but_one(conversations: Sequence[Conversation], at: datetime) -> None:
    """Of each of our numbers: held goes on before waiting, and that before one with the bot; of two alike the one in
    which the client wrote last."""
    by_sender: dict[str, list[Conversation]] = {}
    for conversation in sorted(conversations, key=_precedence):
        by_sender.setdefault(conversation.sender, []).append(conversation)
    for goes_on, *others in by_sender.values():
        for other in others:
            other.continue_in(goes_on, at=at)


def _precedence(conversation: Conversation) -> tuple[int, float, int]:
    wrote_at = conversation.last_inbound_at
    rank = ("held", "waiting", "bot").index(conversation.situation.value)
    return rank, -(wrote_at.timestamp() if wrote_at else 0), conversation.pk


def _keep_what_is_known(kept: Client, merged: Client) -> None:
    beside: dict[str, Any] = {}
    for name in FIELDS:
        mine, other = getattr(kept, name), getattr(merged, name)
        if mine in EMPTY:
            setattr(kept, name, other)
        elif other not in (*EMPTY, mine) and name != "whatsapp_profile_name":
            beside[name] = other
    for name, value in merged.attributes.items():
        if kept.attributes.setdefault(name, value) != value:
            beside[name] = value
    for name, value in beside.items():
        kept.attributes[_free_name(name, kept.attributes)] = value
    kept.created_at = min(kept.created_at, merged.created_at)
    kept.save()


def _free_name(name: str, taken: dict[str, Any]) -> str:
    return next(free for n in range(2, len(taken) + 3) if (free := f"{name}_{n}") not in taken)
