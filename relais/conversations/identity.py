"""Several addresses of one person: a phone number, and the identifier that WhatsApp gives instead of it.

A message that names both links them to one client. Two clients that turn out to be one person are merged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, connection

from relais.clients.addresses import match_key, phone_number
from relais.clients.models import Client, ClientAddress
from relais.conversations.client_merge import MergeRefused, merge_clients
from relais.conversations.inbound_messages import InboundMessage

# Every message of a client may name his two addresses: nearly always they are linked already.
NOT_LINKED = """
select t.ord
  from jsonb_to_recordset(%s::jsonb) as t(ord int, one text, other text)
  left join client_addresses a on a.match_key = t.one
  left join client_addresses b on b.match_key = t.other
 where a.client_id is null or b.client_id is null or a.client_id <> b.client_id
 order by t.ord
"""


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
        client = _merge(*owners, at=at)
    # In the order of their keys, so that two batches with the same addresses never deadlock.
    for key in sorted(keys.keys() - known.keys()):
        address = keys[key]
        ClientAddress.objects.create(
            client=client, address=address, phone_number=phone_number(address), created_at=at
        )
    if any(address.opted_out_at for address in known.values()):
        client.refresh_opted_out_at()
    return created


def _merge(kept: int, merged: int, *, at: datetime) -> Client:
    try:
        return merge_clients(kept, merged, at=at).kept
    except MergeRefused as refusal:
        raise IntegrityError("another transaction merged these clients") from refusal


def _first_messages(clients: set[int | None], messages: Sequence[InboundMessage]) -> set[str]:
    """The first message of each of these clients."""
    addresses = ClientAddress.objects.filter(client__in=clients - {None})
    client_of = dict(addresses.values_list("match_key", "client_id"))
    firsts: dict[int, str] = {}
    for message in messages:
        if client := client_of.get(match_key(message.address)):
            firsts.setdefault(client, message.sid)
    return set(firsts.values())
