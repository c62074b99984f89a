"""Receiving what clients wrote: the one way in, for hooks, the emulator, tests and imports alike."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from relais.clients.addresses import match_key, phone_number
from relais.clients.models import Client, ClientAddress
from relais.conversations import event_handlers, event_logging
from relais.conversations.identity import link_addresses
from relais.conversations.lifecycle import Status
from relais.conversations.models import Conversation, Media

TRIES = 5


@dataclass(frozen=True)
class InboundMedia:
    url: str
    content_type: str = ""


class Consent(Enum):
    """What a message says about hearing from our number at all."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    """Any ordinary message: who writes to us wants an answer."""
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class InboundMessage:
    """One message of a client, brought to form: addresses canonical, no NUL in any text."""

    sid: str
    address: str
    sender: str
    body: str
    profile_name: str = ""
    media: tuple[InboundMedia, ...] = ()
    bot_here: bool = False
    """It came to us, not to a flow at Twilio: what the client should hear is ours to say."""
    other_address: str = ""
    """A second address of the same person that the message names, canonical."""
    consent: Consent = Consent.OPT_IN
    occurred_at: datetime | None = None
    """When the client wrote it, if it reaches us later than that: WhatsApp's window runs from then."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Parameters that have no column."""


@dataclass(frozen=True)
class Received:
    """What the caller of one message is told; the same for a repeated delivery."""

    message_sid: str
    event_id: int
    conversation_id: int
    session_id: str
    address: str
    phone_number: str
    status: str
    agent_id: int | None
    current_menu: str
    body: str
    waiting_due: bool
    bot_here: bool
    has_media: bool
    client_existed: bool
    """The address was known before this message."""
    occurred_at: str | None
    """As it was told when the message was stored."""
    client_full_name: str
    whatsapp_profile_name: str
    is_client: bool | None
    client_id: int
    opted_out: bool
    """The client refused one of our numbers, before this message."""

    @property
    def is_held(self) -> bool:
        return self.status == Status.TRANSFERRED and self.agent_id is not None


def _statements() -> dict[str, str]:
    text = Path(__file__).with_name("inbound.sql").read_text()
    return {
        name.strip(): sql for name, _, sql in (part.partition("\n") for part in text.split("-- name:")[1:])
    }


SQL = _statements()


def receive(messages: Sequence[InboundMessage], *, at: datetime) -> dict[str, Received]:
    """Store what is new, once, and say of each message where it stands, by its sid.

    A known sid writes nothing and is answered like a new one. Raises OperationalError when it cannot be stored.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return _receive(messages, at)
        except IntegrityError:
            if attempt == TRIES:
                raise
        except OperationalError as error:
            if attempt == TRIES or not isinstance(error.__cause__, DeadlockDetected):
                raise
    raise AssertionError("unreachable")


@transaction.atomic
def _receive(messages: Sequence[InboundMessage], at: datetime) -> dict[str, Received]:
    firsts = link_addresses(messages, at=at)
    arrived: dict[str, Any] = {"rows": _rows(messages, firsts), "at": at}
    with connection.cursor() as cursor:
        # Both in one question: under load each way to the database and back is a wait for the processor, too.
        asked = arrived | {"sid": [message.sid for message in messages]}
        cursor.execute(f"{SQL['write']};{SQL['read']}", asked)
        fresh: dict[str, int] = {sid: event_id for event_id, sid in cursor.fetchall()}
        cursor.nextset()
        answers = _answers(cursor)
        if any(_tells_news(message, answers[message.sid]) for message in messages if message.sid in fresh):
            cursor.execute(SQL["know"], arrived | {"fresh": list(fresh)})
            answers = _read(cursor, list(answers))
    _note_consents([message for message in messages if message.sid in fresh], answers, at)
    event_logging.note_received([(answers[sid].conversation_id, event_id) for sid, event_id in fresh.items()])
    _store_media(messages, fresh)
    event_handlers.of_received([answers[sid] for sid in fresh], at=at)
    return answers


def _tells_news(message: InboundMessage, received: Received) -> bool:
    """Most messages tell nothing of the client that is not known."""
    is_renamed = message.profile_name not in ("", received.whatsapp_profile_name)
    return is_renamed or message.address != received.address


def _note_consents(fresh: Sequence[InboundMessage], answers: dict[str, Received], at: datetime) -> None:
    """Opt-outs and their end, in the order of the messages. Nearly all say nothing that is not so already."""
    opted_out = {received.client_id for received in answers.values() if received.opted_out}
    for message in fresh:
        client = answers[message.sid].client_id
        written = message.occurred_at or at
        if message.consent is Consent.OPT_OUT and not _wrote_after(message, client, written):
            address = ClientAddress.objects.select_related("client").get(match_key=match_key(message.address))
            address.client.opt_out(message.sender, at=written, address=address)
            opted_out.add(client)
        elif message.consent is Consent.OPT_IN and client in opted_out:
            Client.objects.get(pk=client).opt_in(message.sender, at=written)


def _wrote_after(message: InboundMessage, client: int, written: datetime) -> bool:
    """An opt-out that reaches us late does not undo what the client wrote since."""
    channel = Conversation.objects.filter(client=client, sender=message.sender)
    return message.occurred_at is not None and channel.filter(last_inbound_at__gt=written).exists()


def told_of(sid: str) -> Received:
    """What the caller of a message that is stored would be told now. Raises KeyError when none has that sid."""
    with connection.cursor() as cursor:
        return _read(cursor, [sid])[sid]


def _read(cursor: Any, sids: list[str]) -> dict[str, Received]:
    cursor.execute(SQL["read"], {"sid": sids})
    return _answers(cursor)


def _answers(cursor: Any) -> dict[str, Received]:
    names = [column.name for column in cursor.description]
    rows = (Received(**dict(zip(names, row, strict=True))) for row in cursor.fetchall())
    return {received.message_sid: received for received in rows}


def _rows(messages: Sequence[InboundMessage], firsts: Collection[str]) -> str:
    """One document: a dozen arrays would each be quoted value by value, which costs more than all else here."""
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
                "metadata": _kept(m) | ({"first_contact": True} if m.sid in firsts else {}),
                "occurred_at": m.occurred_at and m.occurred_at.isoformat(),
            }
            for n, m in enumerate(messages)
        ],
        ensure_ascii=False,
    )


def _kept(message: InboundMessage) -> dict[str, Any]:
    """Metadata as stored, with what the consequences of the event turn on."""
    told = {
        "bot_here": message.bot_here,
        "media": len(message.media),
        "occurred_at": message.occurred_at and message.occurred_at.isoformat(),
    }
    return message.metadata | {name: value for name, value in told.items() if value}


def _store_media(messages: Sequence[InboundMessage], fresh: dict[str, int]) -> None:
    rows = [
        Media(event_id=fresh[m.sid], position=n, url=item.url, declared_type=item.content_type)
        for m in {m.sid: m for m in reversed(messages)}.values()
        if m.sid in fresh
        for n, item in enumerate(m.media)
    ]
    if rows:
        Media.objects.bulk_create(rows)
