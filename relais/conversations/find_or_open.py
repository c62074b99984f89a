"""Find or open the conversation in which a program writes to an address that it names itself."""

from __future__ import annotations

from relais.clients.addresses import match_key, phone_number
from relais.clients.models import Client, ClientAddress
from relais.conversations.models import Conversation


def conversation_with(address: str, sender: str) -> Conversation | None:
    """The open conversation of this address with our number, else a new one that continues the last.

    None if there was never one.
    """
    channel = Conversation.objects.filter(client__addresses__match_key=match_key(address), sender=sender)
    if conversation := channel.open().first():
        return conversation
    last = channel.order_by("-id").first()
    return _create(last.address, sender, team=last.team) if last else None


def open_conversation(address: str, sender: str) -> Conversation:
    """Open the first conversation with this address; creates the client if the address is unknown."""
    existing = ClientAddress.objects.filter(match_key=match_key(address)).first()
    if existing is None:
        existing = ClientAddress.objects.create(
            client=Client.objects.create(), address=address, phone_number=phone_number(address)
        )
    return _create(existing, sender)


def _create(address: ClientAddress, sender: str, **fields: object) -> Conversation:
    conversation: Conversation = Conversation.objects.create(address=address, sender=sender, **fields)
    conversation.refresh_from_db()
    return conversation
