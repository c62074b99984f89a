"""Assignments against take-overs: exactly one winner a client, and no capacity is ever exceeded.

Real transactions on a temporary PostgreSQL. In each race a client waits; half of the agents take him over by hand, the
others ask for the next client, each in two tabs at once.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from relais.bench.races import (
    BARRIER_TIMEOUT_SECONDS,
    BATCH_SIZE,
    create_agents,
    django_on_a_new_database,
    open_conversations,
)

CAPACITY = 30
"""Of each agent in a batch: less than they would get without one."""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with django_on_a_new_database():
        began = time.monotonic()
        wrong = race_assignments(options.races, create_agents(max(2, options.rivals)))
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
        f"{figures['wrong']} errors"
    )
    yield from figures["examples"]


def failed(figures: dict[str, Any]) -> bool:
    return bool(figures["wrong"])


def race_assignments(races: int, agents: Sequence[Any], *, seconds: float = float("inf")) -> list[str]:
    """The errors; stops early when `seconds` are over."""
    from relais.accounts.models import User

    until = time.monotonic() + seconds
    User.objects.filter(pk__in=[agent.pk for agent in agents]).update(capacity=CAPACITY)
    wrong: list[str] = []
    for first in range(0, races, BATCH_SIZE):
        if time.monotonic() > until:
            break
        conversations = open_conversations(first, min(BATCH_SIZE, races - first))
        _let_them_wait(conversations)
        by_hand, assigned = agents[: len(agents) // 2], agents[len(agents) // 2 :]
        errors = _run(conversations, by_hand, assigned)
        wrong += [*errors, *_check(conversations, by_hand, assigned)]
        _end(conversations)
    return wrong


def _let_them_wait(conversations: Sequence[int]) -> None:
    from django.utils import timezone

    from relais.conversations.events import BOT
    from relais.conversations.models import Conversation

    for conversation in Conversation.objects.filter(pk__in=conversations):
        conversation.ask_for_agent(by=BOT, at=timezone.now())


def _run(conversations: Sequence[int], by_hand: Sequence[Any], assigned: Sequence[Any]) -> list[str]:
    rivals: list[Callable[[int], None]] = [_hand(agent) for agent in by_hand]
    rivals += [_next(agent) for agent in (*assigned, *assigned)]
    start, errors = threading.Barrier(len(rivals)), []

    def run(rival: Callable[[int], None]) -> None:
        from relais.db_connection import release_connection

        try:
            for conversation in conversations:
                start.wait(BARRIER_TIMEOUT_SECONDS)
                try:
                    rival(conversation)
                except Exception as error:
                    errors.append(f"conversation {conversation}: {error!r}")
        finally:
            release_connection()

    threads = [threading.Thread(target=run, args=(rival,)) for rival in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def _hand(agent: Any) -> Callable[[int], None]:
    def take_over(conversation: int) -> None:
        from django.utils import timezone

        from relais.conversations.errors import StateConflict
        from relais.conversations.models import Conversation

        try:
            Conversation.objects.get(pk=conversation).take_over(agent, at=timezone.now())
        except StateConflict as late:
            if late.agent is None:
                raise

    return take_over


def _next(agent: Any) -> Callable[[int], None]:
    def ask(conversation: int) -> None:
        from django.utils import timezone

        from relais.routing.next_client import assign_next

        assign_next(agent, at=timezone.now())

    return ask


def _check(conversations: Sequence[int], by_hand: Sequence[Any], assigned: Sequence[Any]) -> Iterator[str]:
    from relais.conversations.models import Conversation

    rows = Conversation.objects.filter(pk__in=conversations).select_related("agent")
    for row in rows:
        kinds = Counter(row.events.values_list("event_type", flat=True))
        if row.agent_id is None or row.epoch != 1 or kinds["agent_takeover"] != 1:
            taken = f"{kinds['agent_takeover']} take-overs, epoch {row.epoch}, held by {row.agent_id}"
            yield f"conversation {row.pk}: {taken}"
        elif row.deliveries.count() != 1:
            yield f"conversation {row.pk}: the client gets {row.deliveries.count()} texts"
    loads = Counter(row.agent_id for row in rows)
    for agent in assigned:
        if loads[agent.pk] > CAPACITY:
            yield f"agent {agent.pk} was given {loads[agent.pk]}, and has a capacity of {CAPACITY}"
        if len(rows) == BATCH_SIZE and loads[agent.pk] < CAPACITY:
            yield f"agent {agent.pk} was given {loads[agent.pk]} only while clients waited"


def _end(conversations: Sequence[int]) -> None:
    from django.utils import timezone

    from relais.conversations.models import Conversation
    from relais.conversations.states import Status

    Conversation.objects.filter(pk__in=conversations).update(
        status=Status.COMPLETED, ended_at=timezone.now(), duration_seconds=0
    )
