"""Find or open the conversation in which an agent or a program writes to an address that they name themselves."""

from __future__ import annotations

from relais.clients.addresses import match_key, phone_number
from relais.clients.models import Client, ClientAddress
from relais.conversations.models import Conversation
from relais.conversations.querysets import ConversationQuerySet


def conversations_between(address: str, sender: str) -> ConversationQuerySet:
    """All conversations of the client who has this address with our number."""
    return Conversation.objects.filter(client__addresses__match_key=match_key(address), sender=sender)


def conversation_with(address: str, sender: str) -> Conversation | None:
    """The open conversation of this address with our number, else a new one that continues the last.

    None if there was never one.
    """
    conversations = conversations_between(address, sender)
    if conversation := conversations.open().first():
        return conversation
    last = conversations.order_by("-id").first()
    return _create(last.address, sender, team=last.team) if last else None


def open_conversation(address: str, sender: str, **fields: object) -> Conversation:
    """Open a conversation with this address; creates the client if the address is unknown."""
    existing = ClientAddress.objects.filter(match_key=match_key(address)).first()
    if existing is None:
        existing = ClientAddress.objects.create(
            client=Client.objects.create(), address=address, phone_number=phone_number(address)
        )
    return _create(existing, sender, **fields)


def _create(address: ClientAddress, sender: str, **fields: object) -> Conversation:
    conversation: Conversation = Conversation.objects.create(address=address, sender=sender, **fields)
    conversation.refresh_from_db()
    return conversation
