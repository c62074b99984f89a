"""Which clients a user reaches.

A client is within reach of an agent who reaches one of the client's conversations, and of everybody while the client
has none yet (imported, for example). The client's data is shown whole then; of the conversations only those within
reach. Supervisors reach all clients.
"""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from relais.accounts.models import User
from relais.clients.models import Client
from relais.conversations.models import Conversation


def clients_within_reach(user: User) -> QuerySet[Client]:
    if not user.is_active:
        return Client.objects.none()
    if user.is_supervisor:
        return Client.objects.all()
    reachable = user.reachable_conversations().filter(client=OuterRef("pk"))
    any_conversation = Conversation.objects.filter(client=OuterRef("pk"))
    return Client.objects.filter(Exists(reachable) | ~Exists(any_conversation))
