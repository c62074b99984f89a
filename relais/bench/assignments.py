"""Assignments against take-overs: exactly one winner a client, and no capacity is ever exceeded.

Real transactions on a temporary PostgreSQL. In each race a client waits; half of the agents take him over by hand, the
others ask for the next client, each in two tabs at once.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from relais.bench.races import BATCH_SIZE, failed, measure_races, open_conversations, run_rivals

__all__ = ["failed", "measure", "summary_lines"]

CAPACITY = 30
"""Of each agent in a batch: less than they would get without one."""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    options.rivals = max(2, options.rivals)
    return measure_races(race_assignments, options)


def summary_lines(figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{figures['races']:,} races of {figures['rivals']} agents in {figures['seconds']} s: "
        f"{figures['wrong']} errors"
    )
    yield from figures["examples"]


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
        _request_agents(conversations)
        by_hand, assigned = agents[: len(agents) // 2], agents[len(agents) // 2 :]
        errors = _run(conversations, by_hand, assigned)
        wrong += [*errors, *_check(conversations, by_hand, assigned)]
        _complete(conversations)
    return wrong


def _request_agents(conversations: Sequence[int]) -> None:
    from django.utils import timezone

    from relais.conversations.events import BOT
    from relais.conversations.models import Conversation

    for conversation in Conversation.objects.filter(pk__in=conversations):
        conversation.ask_for_agent(by=BOT, at=timezone.now())


def _run(conversations: Sequence[int], by_hand: Sequence[Any], assigned: Sequence[Any]) -> list[str]:
    errors: list[str] = []

    def rival(act: Callable[[int, Any], None], agent: Any) -> Callable[[int], None]:
        def run(conversation: int) -> None:
            try:
                act(conversation, agent)
            except Exception as error:
                errors.append(f"conversation {conversation}: {error!r}")

        return run

    run_rivals(
        conversations,
        [
            *(rival(_take_over, agent) for agent in by_hand),
            *(rival(_ask_for_next, agent) for agent in (*assigned, *assigned)),
        ],
    )
    return errors


def _take_over(conversation: int, agent: Any) -> None:
    from django.utils import timezone

    from relais.conversations.errors import StateConflict
    from relais.conversations.models import Conversation

    try:
        Conversation.objects.get(pk=conversation).take_over(agent, at=timezone.now())
    except StateConflict as late:
        if late.agent is None:
            raise


def _ask_for_next(_conversation: int, agent: Any) -> None:
    from django.utils import timezone

    from relais.routing.next_client import assign_next

    assign_next(agent, at=timezone.now())


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


def _complete(conversations: Sequence[int]) -> None:
    from django.utils import timezone

    from relais.conversations.models import Conversation
    from relais.conversations.states import Status

    Conversation.objects.filter(pk__in=conversations).update(
        status=Status.COMPLETED, ended_at=timezone.now(), duration_seconds=0
    )
