"""Records the path of an execution through a flow, and reconstructs its route from that record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from relais.flows.engine import Effect, EndExecution, Flow, RecordWarning

MAX_PATH_STATES = 500
"""An execution keeps the names of its last states only."""
UNRECORDED_TYPES = frozenset({"trigger", "set-variables", "split-based-on", "run-subflow"})
"""Widgets without effects, which the path lacks: the route between two recorded states is searched."""


@dataclass(frozen=True)
class Route:
    states: frozenset[str] = frozenset()
    transitions: frozenset[tuple[str, str]] = frozenset()
    """From state to state."""
    current: str = ""
    """The state where the execution stands, or ended."""
    recorded: tuple[str, ...] = field(default=())
    """The states known for certain, in order."""


def states_of(effects: Iterable[Effect]) -> list[str]:
    """The states that a step's effects come from, in order."""
    return [effect.widget for effect in effects if not isinstance(effect, EndExecution | RecordWarning)]


def extended(path: Sequence[str], states: Iterable[str]) -> list[str]:
    """The path with the states appended, each once in a row, cut to MAX_PATH_STATES."""
    new_path = list(path)
    for state in states:
        if state and new_path[-1:] != [state]:
            new_path.append(state)
    return new_path[-MAX_PATH_STATES:]


def route(flow: Flow, path: Sequence[str]) -> Route:
    """The route of an execution with this path; names of a sub-flow's states are ignored."""
    recorded = tuple(name for name in path if name in flow.widgets)
    states: set[str] = set(recorded)
    transitions: set[tuple[str, str]] = set()
    previous = flow.initial if flow.initial in flow.widgets else ""
    for name in recorded:
        steps = _between(flow, previous, name) if previous else []
        states.update(steps)
        transitions.update(pairwise(steps))
        previous = name
    return Route(frozenset(states), frozenset(transitions), recorded[-1] if recorded else "", recorded)


def _between(flow: Flow, start: str, end: str) -> list[str]:
    """The shortest way through unrecorded widgets (breadth-first search); empty if there is none."""
    predecessors: dict[str, str] = {}
    names = [start]
    for name in names:
        if name != start and flow.widgets[name].type not in UNRECORDED_TYPES:
            continue
        for transition in flow.widgets[name].transitions:
            target = transition.next
            if target is None or target not in flow.widgets or target in predecessors:
                continue
            predecessors[target] = name
            if target == end:
                return _way_back(predecessors, start, end)
            names.append(target)
    return []


def _way_back(predecessors: dict[str, str], start: str, end: str) -> list[str]:
    steps, name = [end], predecessors[end]
    while name != start:
        steps.append(name)
        name = predecessors[name]
    return [start, *reversed(steps)]
