"""Concurrent take-overs: several agents take over the same conversation at once, and exactly one may win.

Real transactions on a temporary PostgreSQL. A race is correct when one agent succeeded, all others got the winner's
name, and the conversation, its history and its outbox agree.
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from relais.bench.instance import run_prepare
from relais.ops.temporary_environment import temporary_installation

BATCH_SIZE = 250
"""Conversations opened per batch."""
BARRIER_TIMEOUT_SECONDS = 120.0


@contextmanager
def django_on_a_new_database() -> Iterator[None]:
    with temporary_installation(database=True) as variables:
        os.environ.update(variables)
        os.environ["DJANGO_SETTINGS_MODULE"] = "relais.settings"
        run_prepare(variables)
        import django

        django.setup()
        # Each event would otherwise be a line of output.
        logging.getLogger("relais").setLevel(logging.WARNING)
        from django.db import connection

        from relais.db_connection import release_connection

        try:
            yield
        finally:
            release_connection()
            connection.close_pool()  # type: ignore[attr-defined]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    return measure_races(race, options)


def measure_races(race: Callable[[int, list[Any]], list[str]], options: argparse.Namespace) -> dict[str, Any]:
    """`race` gets the number of races and the agents, and returns the errors."""
    with django_on_a_new_database():
        began = time.monotonic()
        wrong = race(options.races, create_agents(options.rivals))
        seconds = time.monotonic() - began
    return {
        "races": options.races,
        "rivals": options.rivals,
        "wrong": len(wrong),
        "examples": wrong[:10],
        "seconds": round(seconds, 1),
    }


def summary_lines(figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{figures['races']:,} races of {figures['rivals']} agents in {figures['seconds']} s: "
        f"{figures['races'] - figures['wrong']:,} had one winner"
    )
    yield from figures["examples"]


def failed(figures: dict[str, Any]) -> bool:
    return bool(figures["wrong"])


def race(races: int, agents: Sequence[Any], *, seconds: float = float("inf")) -> list[str]:
    """The errors, a line per race; stops early when `seconds` are over."""
    until = time.monotonic() + seconds
    wrong: list[str] = []
    for first in range(0, races, BATCH_SIZE):
        if time.monotonic() > until:
            break
        opened = open_conversations(first, min(BATCH_SIZE, races - first))
        for conversation, outcomes in _run(opened, agents).items():
            wrong += _check_outcome(conversation, outcomes)
    return wrong


def open_conversations(first: int, number: int) -> list[int]:
    from django.utils import timezone

    from relais.conversations.inbound import ingest
    from relais.conversations.inbound_messages import InboundMessage

    messages = [
        InboundMessage(
            sid=f"SM{n:032x}",
            address=f"whatsapp:+2126{n:08d}",
            sender="whatsapp:+212522000000",
            body="bonjour",
        )
        for n in range(first, first + number)
    ]
    return [received.conversation_id for received in ingest(messages, at=timezone.now()).values()]


def _run(conversations: Sequence[int], agents: Sequence[Any]) -> dict[int, list[str]]:
    """All agents take over each conversation at once; returns their outcomes by conversation."""
    outcomes: dict[int, list[str]] = {conversation: [] for conversation in conversations}

    def rival(agent: Any) -> Callable[[int], None]:
        return lambda conversation: outcomes[conversation].append(_take_over(conversation, agent))

    run_rivals(conversations, [rival(agent) for agent in agents])
    return outcomes


def run_rivals(conversations: Sequence[int], rivals: Sequence[Callable[[int], None]]) -> None:
    """All act on the first conversation at once, then on the next; each rival in a thread of its own."""
    start = threading.Barrier(len(rivals))

    def run(rival: Callable[[int], None]) -> None:
        from relais.db_connection import release_connection

        try:
            for conversation in conversations:
                start.wait(BARRIER_TIMEOUT_SECONDS)
                rival(conversation)
        finally:
            release_connection()

    threads = [threading.Thread(target=run, args=(rival,)) for rival in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _take_over(conversation: int, agent: Any) -> str:
    from django.utils import timezone

    from relais.conversations.errors import StateConflict
    from relais.conversations.models import Conversation

    try:
        Conversation.objects.get(pk=conversation).take_over(agent, at=timezone.now())
    except StateConflict as late:
        return f"late: {late.agent}"
    except Exception as error:
        return f"failed: {error!r}"
    return f"won: {agent}"


def _check_outcome(conversation: int, outcomes: Sequence[str]) -> Iterator[str]:
    from relais.conversations.models import Conversation

    row = Conversation.objects.select_related("agent").get(pk=conversation)
    rivals, kinds = len(outcomes), Counter(row.events.values_list("event_type", flat=True))
    expected = [f"late: {row.agent}"] * (rivals - 1) + [f"won: {row.agent}"]
    if sorted(outcomes) != expected or row.epoch != 1 or kinds["agent_takeover"] != 1:
        taken = f"{kinds['agent_takeover']} take-overs, epoch {row.epoch}, held by {row.agent_id}"
        yield f"conversation {conversation}: {sorted(outcomes)}; {taken}"
    elif row.deliveries.count() != 1:
        yield f"conversation {conversation}: the client gets {row.deliveries.count()} texts"


def create_agents(number: int) -> list[Any]:
    from relais.accounts.models import User

    return [
        User.objects.create_user(email=f"agent{n}@example.com", full_name=f"Agent {n}", role="agent")
        for n in range(number)
    ]
