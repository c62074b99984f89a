"""The conversation in which a program writes to an address that it names itself."""

from __future__ import annotations

from relais.clients.addresses import match_key, phone_number
from relais.clients.models import Client, ClientAddress
from relais.conversations.models import Conversation


def conversation_with(address: str, sender: str) -> Conversation | None:
    """The open one of whoever has this address, with our number; else a new one after the last.

    None where there was none yet.
    """
    channel = Conversation.objects.filter(client__addresses__match_key=match_key(address), sender=sender)
    if found := channel.open().first():
        return found
    last = channel.order_by("-id").first()
    return _new(last.address, sender, team=last.team) if last else None


def open_conversation(address: str, sender: str) -> Conversation:
    """The first one with this address, which may be a new client's."""
    known = ClientAddress.objects.filter(match_key=match_key(address)).first()
    if known is None:
        known = ClientAddress.objects.create(
            client=Client.objects.create(), address=address, phone_number=phone_number(address)
        )
    return _new(known, sender)


def _new(address: ClientAddress, sender: str, **fields: object) -> Conversation:
    made: Conversation = Conversation.objects.create(address=address, sender=sender, **fields)
    made.refresh_from_db()
    return made
