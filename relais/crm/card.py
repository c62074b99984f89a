"""A client as JSON: a row of the list, and the card."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from relais.clients.models import Client, ClientAddress, ClientNote
from relais.conversations.models import Conversation


def client_row(client: Client) -> dict[str, Any]:
    """The fields of a row. `addresses` should be prefetched."""
    addresses = sorted(client.addresses.all(), key=lambda address: address.pk)
    return {
        "id": client.pk,
        "name": client.display_name,
        "phone_number": next((each.phone_number for each in addresses if each.phone_number), None),
        "client_full_name": client.client_full_name,
        "whatsapp_profile_name": client.whatsapp_profile_name,
        "email": client.email,
        "vin": client.vin,
        "carte_vip": client.carte_vip,
        "is_client": client.is_client,
        "created_at": client.created_at.isoformat(),
    }


def client_card(client: Client, conversations: Iterable[Conversation]) -> dict[str, Any]:
    addresses = sorted(client.addresses.all(), key=lambda address: address.pk)
    return {
        **client_row(client),
        "attributes": client.attributes,
        "tags": client.tags,
        "notes": [_note_fields(note) for note in client.notes.all()],
        "merges": [
            {"id": merge.pk, "client": merge.merged_id, "author": merge.author_name or None}
            for merge in client.merges.filter(undone_at=None)
        ],
        "addresses": [_address_fields(address) for address in addresses],
        "conversations": [_conversation_fields(conversation) for conversation in conversations],
    }


def _note_fields(note: ClientNote) -> dict[str, Any]:
    return {
        "id": note.pk,
        "body": note.body,
        "author": note.author_name,
        "created_at": note.created_at.isoformat(),
    }


def _address_fields(address: ClientAddress) -> dict[str, Any]:
    return {
        "id": address.pk,
        "address": address.address,
        "phone_number": address.phone_number,
        "opted_out_at": address.opted_out_at and address.opted_out_at.isoformat(),
    }


def _conversation_fields(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.pk,
        "status": conversation.status,
        "agent": str(conversation.agent) if conversation.agent else None,
        "address": conversation.address.address,
        "sender": conversation.sender,
        "started_at": conversation.started_at.isoformat(),
        "last_activity_at": conversation.last_activity_at.isoformat(),
        "ended_at": conversation.ended_at and conversation.ended_at.isoformat(),
    }
