"""Fixtures for all tests: users, conversations in each state, clocks.

Awa and Koffi are agents, Mariam is a supervisor, Yao is an agent of another team who must see nothing, Nadia is the
admin, and Fatou is a client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from tests.cast import FATOU, OUR_NUMBER, Clock, new_sid

pytest_plugins = ["tests.database", "tests.web_server", "tests.browser"]


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The whole cluster goes with the run: a thread that is about to end may still be connected to the database."""
    return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clock_starts_now(clock: Clock) -> None:
    """For pages, which compare what they show with the machine's clock."""
    clock.now = timezone.now()


def _user(name: str, role: str, **fields: Any) -> Any:
    from relais.accounts.models import User

    return User.objects.create_user(
        email=f"{name.split()[0].lower()}@example.com",
        password="un bon mot de passe",
        full_name=name,
        role=role,
        undo_seconds=0,  # so that messages leave at once
        **fields,
    )


@pytest.fixture
def awa(db: None) -> Any:
    return _user("Awa Diop", "agent")


@pytest.fixture
def koffi(db: None) -> Any:
    return _user("Koffi Mensah", "agent")


@pytest.fixture
def mariam(db: None) -> Any:
    return _user("Mariam Traoré", "supervisor")


@pytest.fixture
def nadia(db: None) -> Any:
    return _user("Nadia Benali", "super_admin")


@pytest.fixture
def sales(db: None) -> Any:
    from relais.accounts.models import Team

    return Team.objects.create(name="Ventes")


@pytest.fixture
def yao(db: None) -> Any:
    from relais.accounts.models import Team

    return _user("Yao Kouassi", "agent", team=Team.objects.create(name="Pièces"))


@pytest.fixture
def fatou_writes(db: None, clock: Clock) -> Callable[..., Any]:
    """A function that ingests a message of Fatou and returns its conversation."""

    def ingest_message(
        text: str = "Bonjour", *, address: str = FATOU, name: str = "Fatou", **fields: Any
    ) -> Any:
        from relais.conversations.inbound import ingest
        from relais.conversations.inbound_messages import InboundMessage
        from relais.conversations.models import Conversation

        message = InboundMessage(
            sid=fields.pop("sid", None) or new_sid(),
            address=address,
            sender=fields.pop("sender", OUR_NUMBER),
            body=text,
            profile_name=name,
            bot_here=fields.pop("bot_here", True),
            **fields,
        )
        received = ingest([message], at=clock.now)[message.sid]
        return Conversation.objects.get(pk=received.conversation_id)

    return ingest_message


@pytest.fixture
def with_bot(fatou_writes: Callable[..., Any]) -> Any:
    return fatou_writes("mercedes")


@pytest.fixture
def waiting(with_bot: Any, clock: Clock) -> Any:
    from relais.conversations.events import BOT

    with_bot.ask_for_agent(by=BOT, at=clock.passes(seconds=5), reason="le client le demande")
    return with_bot


@pytest.fixture
def held_by_awa(with_bot: Any, awa: Any, clock: Clock) -> Any:
    with_bot.take_over(awa, at=clock.passes(seconds=10))
    return with_bot


@pytest.fixture
def ended(held_by_awa: Any, awa: Any, clock: Clock) -> Any:
    held_by_awa.close(awa, at=clock.passes(minutes=3))
    return held_by_awa
