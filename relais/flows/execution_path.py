"""The way an execution took through a flow, as far as it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from relais.flows.engine import Flow

SILENT = frozenset({"trigger", "set-variables", "split-based-on", "run-subflow"})
"""Widgets that leave no trace in an execution's path: what lies between two that do is found anew."""


@dataclass(frozen=True)
class Route:
    states: frozenset[str] = frozenset()
    ways: frozenset[tuple[str, str]] = frozenset()
    """From state to state."""
    here: str = ""
    """Where it stands, or ended."""
    told: tuple[str, ...] = field(default=())
    """The states known for certain, in order."""


def route(flow: Flow, path: Sequence[str]) -> Route:
    """`path` as an execution keeps it; names of a sub-flow's states are passed over."""
    told = tuple(name for name in path if name in flow.widgets)
    states: set[str] = set(told)
    ways: set[tuple[str, str]] = set()
    before = flow.initial if flow.initial in flow.widgets else ""
    for name in told:
        steps = _between(flow, before, name) if before else []
        states.update(steps)
        ways.update(pairwise(steps))
        before = name
    return Route(frozenset(states), frozenset(ways), told[-1] if told else "", told)


def _between(flow: Flow, start: str, end: str) -> list[str]:
    """The shortest way that would have left no trace; empty when there is none."""
    came_from: dict[str, str] = {}
    names = [start]
    for name in names:
        if name != start and flow.widgets[name].type not in SILENT:
            continue
        for transition in flow.widgets[name].transitions:
            target = transition.next
            if target is None or target not in flow.widgets or target in came_from:
                continue
            came_from[target] = name
            if target == end:
                return _back(came_from, start, end)
            names.append(target)
    return []


def _back(came_from: dict[str, str], start: str, end: str) -> list[str]:
    steps, name = [end], came_from[end]
    while name != start:
        steps.append(name)
        name = came_from[name]
    return [start, *reversed(steps)]
