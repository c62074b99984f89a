from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from relais.accounts.models import User
from relais.clients.addresses import match_key
from relais.clients.models import Client, ClientAddress
from relais.conversations.models import Conversation, ConversationEvent
from tests.cast import OUR_NUMBER


@pytest.fixture
def chat(held_by_awa: Any) -> str:
    """The path of the page of the conversation that Awa holds."""
    return f"/dashboard/chat/{held_by_awa.pk}"


@pytest.fixture
def open_conversations(awa: User, clock: Any) -> Callable[[int], list[Conversation]]:
    """Makes so many at once. All are Awa's, and wait for an answer since different times."""

    def make(count: int) -> list[Conversation]:
        numbers = range(count)
        clients = Client.objects.bulk_create([Client(whatsapp_profile_name=f"Client {n}") for n in numbers])
        addresses = ClientAddress.objects.bulk_create(
            [
                ClientAddress(
                    client=client,
                    address=f"whatsapp:{phone}",
                    match_key=match_key(f"whatsapp:{phone}"),
                    phone_number=phone,
                )
                for client, phone in zip(clients, (f"+22507{n:08}" for n in numbers), strict=True)
            ]
        )
        first_at = clock.now - timedelta(hours=20)
        conversations = Conversation.objects.bulk_create(
            [
                _conversation(address, agent=awa, at=first_at + timedelta(seconds=5 * n))
                for n, address in enumerate(addresses)
            ]
        )
        ConversationEvent.objects.bulk_create([_first_message(each) for each in conversations])
        return conversations

    return make


def _conversation(address: ClientAddress, *, agent: User, at: datetime) -> Conversation:
    times = ("started_at", "transferred_at", "last_activity_at", "last_inbound_at", "unanswered_since")
    return Conversation(
        address=address,
        client=address.client,
        sender=OUR_NUMBER,
        status="transferred",
        agent=agent,
        epoch=1,
        seq=1,
        rev=1,
        last_inbound_seq=1,
        **dict.fromkeys(times, at),
    )


def _first_message(conversation: Conversation) -> ConversationEvent:
    return ConversationEvent(
        conversation=conversation,
        seq=1,
        rev=1,
        event_type="message_received",
        author_kind="client",
        body="Bonjour, une question",
        created_at=conversation.started_at,
    )
