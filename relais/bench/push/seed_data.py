"""Seeds the database of an instance: agents with open sessions and conversations that they hold.

`python -m relais.bench.push.seed_data PAGES THREADS` prints cookies, clients and conversations as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import timedelta
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "relais.settings")


def main(pages: int, threads: int) -> dict[str, Any]:
    from django.conf import settings

    agents = _agents(pages)
    clients = [f"whatsapp:+2126{n:08}" for n in range(threads)]
    conversations = _conversations(clients, agents)
    return {
        "cookies": [f"{settings.SESSION_COOKIE_NAME}={key}" for key in _sessions(agents)],
        "clients": clients,
        "conversations": conversations,
    }


def _agents(number: int) -> list[Any]:
    from relais.accounts.models import User

    User.objects.bulk_create(
        User(email=f"agent{n}@example.com", full_name=f"Agent {n}", role="agent", password=f"!{n}")
        for n in range(number)
    )
    return list(User.objects.filter(email__startswith="agent").order_by("id"))


def _sessions(agents: list[Any]) -> list[str]:
    """Created directly: a thousand sign-ins would take minutes because of password hashing."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session
    from django.utils.timezone import now

    def session(agent: Any) -> Session:
        data = {
            SESSION_KEY: str(agent.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: agent.get_session_auth_hash(),
        }
        return Session(
            session_key=f"bench{agent.pk:027}",
            session_data=SessionStore().encode(data),
            expire_date=now() + timedelta(days=1),
        )

    return [made.session_key for made in Session.objects.bulk_create(session(agent) for agent in agents)]


def _conversations(clients: list[str], agents: list[Any]) -> list[int]:
    """Each is held by an agent, so that no bot answers: only ingest and push are measured."""
    from django.conf import settings
    from django.db import transaction
    from django.utils.timezone import now

    from relais.conversations.inbound import ingest
    from relais.conversations.inbound_messages import InboundMessage
    from relais.conversations.models import Conversation, MessageDelivery

    sender = settings.ENVIRONMENT.whatsapp_number
    firsts = [
        InboundMessage(f"SM{n:032x}", client, sender, "Bonjour", profile_name=f"Client {n}")
        for n, client in enumerate(clients)
    ]
    received = ingest(firsts, at=now())
    ids = [received[first.sid].conversation_id for first in firsts]
    with transaction.atomic():
        for n, conversation in enumerate(Conversation.objects.filter(pk__in=ids)):
            conversation.take_over(agents[n % len(agents)], at=now())
        # The take-over texts count as delivered: there is no Twilio to send them to.
        MessageDelivery.objects.update(state="read")
    return ids


if __name__ == "__main__":
    import django

    django.setup()
    logging.disable(logging.INFO)  # Seeding must not fill the log.
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
