"""Several addresses of one person: a phone number, and the identifier that WhatsApp gives instead of it.

A message that names both links them to one client. Two clients that turn out to be one person are merged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection

from relais.clients.addresses import match_key, phone_number
from relais.clients.models import Client, ClientAddress
from relais.conversations.inbound_messages import InboundMessage
from relais.conversations.models import Conversation

# Every message of a client may name his two addresses: nearly always they are linked already.
NOT_LINKED = """
select t.ord
  from jsonb_to_recordset(%s::jsonb) as t(ord int, one text, other text)
  left join client_addresses a on a.match_key = t.one
  left join client_addresses b on b.match_key = t.other
 where a.client_id is null or b.client_id is null or a.client_id <> b.client_id
 order by t.ord
"""
CLIENT_FIELDS = ("client_full_name", "whatsapp_profile_name", "email", "vin", "carte_vip", "is_client")
EMPTY_VALUES = ("", None)


def link_addresses(messages: Sequence[InboundMessage], *, at: datetime) -> set[str]:
    """Link the two addresses that a message names to one client. Call in the transaction that stores the messages.

    Returns the sids of the messages that are the first contact of a client created here. A concurrent writer is refused
    by a unique index (IntegrityError), and the batch is run again.
    """
    pairs = {n: (m.address, m.other_address) for n, m in enumerate(messages) if m.other_address}
    if not pairs:
        return set()
    rows = [{"ord": n, "one": match_key(one), "other": match_key(other)} for n, (one, other) in pairs.items()]
    with connection.cursor() as cursor:
        cursor.execute(NOT_LINKED, [json.dumps(rows)])
        not_linked = [n for (n,) in cursor.fetchall()]
    created_clients = {_link(pairs[n], messages[n], at) for n in not_linked}
    return _first_messages(created_clients, messages) if created_clients - {None} else set()


def _link(pair: tuple[str, str], message: InboundMessage, at: datetime) -> int | None:
    """Returns the id of the client if it had to be created."""
    keys = {match_key(address): address for address in pair}
    known = {each.match_key: each for each in ClientAddress.objects.filter(match_key__in=keys)}
    owners = sorted({address.client_id for address in known.values()})
    created = None
    if not owners:
        client = Client.objects.create(whatsapp_profile_name=message.profile_name, created_at=at)
        created = client.pk
    elif len(owners) == 1:
        client = Client.objects.get(pk=owners[0])
    else:
        client = merge_clients(*owners, at=at)
    # In the order of their keys, so that two batches with the same addresses never deadlock.
    for key in sorted(keys.keys() - known.keys()):
        address = keys[key]
        ClientAddress.objects.create(
            client=client, address=address, phone_number=phone_number(address), created_at=at
        )
    if any(address.opted_out_at for address in known.values()):
        client.refresh_opted_out_at()
    return created


def _first_messages(clients: set[int | None], messages: Sequence[InboundMessage]) -> set[str]:
    """The first message of each of these clients."""
    addresses = ClientAddress.objects.filter(client__in=clients - {None})
    client_of = dict(addresses.values_list("match_key", "client_id"))
    firsts: dict[int, str] = {}
    for message in messages:
        if client := client_of.get(match_key(message.address)):
            firsts.setdefault(client, message.sid)
    return set(firsts.values())


def merge_clients(kept: int, merged: int, *, at: datetime) -> Client:
    """Merge two clients who are one person: everything of `merged` goes to `kept`. Call in a transaction.

    Of two open conversations with one of our numbers one goes on; the other ends with its history unchanged and names
    the one that goes on. Values that only `merged` has are kept; where the two differ, the value of `merged` becomes an
    attribute with a number.
    """
    open_conversations = Conversation.objects.filter(client__in=[kept, merged]).open().order_by("pk")
    locked = list(open_conversations.select_for_update(no_key=True))
    clients = Client.objects.select_for_update().filter(pk__in=[kept, merged]).in_bulk()
    if len(clients) < 2:
        raise IntegrityError("another transaction merged these clients")
    _end_all_but_one(locked, at)
    # The foreign key over address and client moves the conversations with their addresses.
    ClientAddress.objects.filter(client=merged).update(client=kept)
    _merge_fields(clients[kept], clients[merged])
    clients[merged].delete()
    clients[kept].refresh_opted_out_at()
    for conversation in Conversation.objects.filter(client=kept).open().order_by("pk"):
        conversation.bump_rev()
    return clients[kept]


def _end_all_but_one(conversations: Sequence[Conversation], at: datetime) -> None:
    """One goes on for each of our numbers: held before waiting, waiting before one with the bot; of equals the one
    in which the client wrote last."""
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


def _merge_fields(kept: Client, merged: Client) -> None:
    differing: dict[str, Any] = {}
    for name in CLIENT_FIELDS:
        kept_value, merged_value = getattr(kept, name), getattr(merged, name)
        if kept_value in EMPTY_VALUES:
            setattr(kept, name, merged_value)
        elif merged_value not in (*EMPTY_VALUES, kept_value) and name != "whatsapp_profile_name":
            differing[name] = merged_value
    for name, value in merged.attributes.items():
        if kept.attributes.setdefault(name, value) != value:
            differing[name] = value
    for name, value in differing.items():
        kept.attributes[_free_name(name, kept.attributes)] = value
    kept.created_at = min(kept.created_at, merged.created_at)
    kept.save()


def _free_name(name: str, taken: dict[str, Any]) -> str:
    return next(free for n in range(2, len(taken) + 3) if (free := f"{name}_{n}") not in taken)
