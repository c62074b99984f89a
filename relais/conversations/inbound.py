"""Ingesting what clients wrote: the one way in, for webhooks, the emulator, tests and imports alike.

Idempotent by MessageSid. The statements are in `inbound.sql`, the rule of the waiting text in `waiting_text.sql`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from relais.clients.addresses import match_key, phone_number
from relais.clients.models import Client, ClientAddress, OptOutSource
from relais.conversations import event_handlers, event_logging
from relais.conversations.identity import link_addresses
from relais.conversations.inbound_messages import Consent, InboundMessage, IngestedMessage
from relais.conversations.models import Conversation, Media
from relais.conversations.tapped_choices import tapped_choices
from relais.conversations.time_limits import WAITING_TEXT_INTERVAL

MAX_ATTEMPTS = 5
"""Batches that lose a race, or a deadlock, are run again in a new transaction."""


def _statements() -> dict[str, str]:
    text = Path(__file__).with_name("inbound.sql").read_text()
    return {
        name.strip(): sql for name, _, sql in (part.partition("\n") for part in text.split("-- name:")[1:])
    }


SQL = _statements()


def ingest(messages: Sequence[InboundMessage], *, at: datetime) -> dict[str, IngestedMessage]:
    """Store the new messages of a batch, once, and return where each message stands, by its sid.

    Idempotent: a known sid writes nothing and is answered like a new one. Raises OperationalError when the batch cannot
    be stored.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return _ingest(messages, at)
        except IntegrityError:
            if attempt == MAX_ATTEMPTS:
                raise
        except OperationalError as error:
            if attempt == MAX_ATTEMPTS or not isinstance(error.__cause__, DeadlockDetected):
                raise
    raise AssertionError("unreachable")


@transaction.atomic
def _ingest(messages: Sequence[InboundMessage], at: datetime) -> dict[str, IngestedMessage]:
    first_contacts = link_addresses(messages, at=at)
    params: dict[str, Any] = {
        "rows": _rows_json(messages, first_contacts, tapped_choices(messages)),
        "at": at,
        "waiting_text_interval": WAITING_TEXT_INTERVAL,
    }
    with connection.cursor() as cursor:
        # Both statements in one round trip: under load each further one also waits for the processor.
        cursor.execute(
            f"{SQL['write']};{SQL['read']}", params | {"sid": [message.sid for message in messages]}
        )
        new: dict[str, int] = {sid: event_id for event_id, sid in cursor.fetchall()}
        cursor.nextset()
        results = _fetch_results(cursor)
        if any(_changes_client(message, results[message.sid]) for message in messages if message.sid in new):
            cursor.execute(SQL["update_clients"], params | {"new_sids": list(new)})
            results = _read(cursor, list(results))
    _apply_consents([message for message in messages if message.sid in new], results, at)
    event_logging.log_ingested([(results[sid].conversation_id, event_id) for sid, event_id in new.items()])
    _store_media(messages, new)
    event_handlers.handle_ingested([results[sid] for sid in new], at=at)
    return results


def _changes_client(message: InboundMessage, result: IngestedMessage) -> bool:
    """Most messages say nothing of the client that is not known."""
    is_renamed = message.profile_name not in ("", result.whatsapp_profile_name)
    return is_renamed or message.address != result.address


def _apply_consents(new: Sequence[InboundMessage], results: dict[str, IngestedMessage], at: datetime) -> None:
    """Opt-outs and their end, in the order of the messages. Nearly all messages change nothing."""
    opted_out = {result.client_id for result in results.values() if result.opted_out}
    for message in new:
        client = results[message.sid].client_id
        written_at = message.occurred_at or at
        if message.consent is Consent.OPT_OUT and not _wrote_after(message, client, written_at):
            address = ClientAddress.objects.select_related("client").get(match_key=match_key(message.address))
            address.client.opt_out(
                message.sender, at=written_at, address=address, source=OptOutSource.MESSAGE
            )
            opted_out.add(client)
        elif message.consent is Consent.OPT_IN and client in opted_out:
            Client.objects.get(pk=client).opt_in(message.sender, at=written_at)


def _wrote_after(message: InboundMessage, client: int, written_at: datetime) -> bool:
    """An opt-out that reaches us late does not undo what the client wrote since."""
    channel = Conversation.objects.filter(client=client, sender=message.sender)
    return message.occurred_at is not None and channel.filter(last_inbound_at__gt=written_at).exists()


def get_ingested(sid: str) -> IngestedMessage:
    """A stored message as `ingest` would return it now. Raises KeyError when no message has that sid."""
    with connection.cursor() as cursor:
        return _read(cursor, [sid])[sid]


def _read(cursor: Any, sids: list[str]) -> dict[str, IngestedMessage]:
    cursor.execute(SQL["read"], {"sid": sids})
    return _fetch_results(cursor)


def _fetch_results(cursor: Any) -> dict[str, IngestedMessage]:
    names = [column.name for column in cursor.description]
    results = (IngestedMessage(**dict(zip(names, row, strict=True))) for row in cursor.fetchall())
    return {result.message_sid: result for result in results}


def _rows_json(
    messages: Sequence[InboundMessage],
    first_contacts: Collection[str],
    choices: Mapping[str, dict[str, Any]],
) -> str:
    """One JSON document: a dozen arrays would be quoted value by value, which costs more than all else here."""
    return json.dumps(
        [
            {
                "ord": n,
                "address": m.address,
                "match_key": match_key(m.address),
                "phone_number": phone_number(m.address),
                "sender": m.sender,
                "body": m.body,
                "sid": m.sid,
                "profile_name": m.profile_name,
                "metadata": _event_metadata(m)
                | ({"first_contact": True} if m.sid in first_contacts else {})
                | ({"choice": choices[m.sid]} if m.sid in choices else {}),
                "occurred_at": m.occurred_at and m.occurred_at.isoformat(),
            }
            for n, m in enumerate(messages)
        ],
        ensure_ascii=False,
    )


def _event_metadata(message: InboundMessage) -> dict[str, Any]:
    """The stored metadata, with what the event's handlers depend on."""
    fields = {
        "bot_here": message.bot_here,
        "media": len(message.media),
        "occurred_at": message.occurred_at and message.occurred_at.isoformat(),
    }
    return message.metadata | {name: value for name, value in fields.items() if value}


def _store_media(messages: Sequence[InboundMessage], new: dict[str, int]) -> None:
    rows = [
        Media(event_id=new[m.sid], position=n, url=item.url, declared_type=item.content_type)
        for m in {m.sid: m for m in reversed(messages)}.values()
        if m.sid in new
        for n, item in enumerate(m.media)
    ]
    if rows:
        Media.objects.bulk_create(rows)
