"""A flow as Studio writes it, frozen: its widgets, their transitions and conditions, and its problems."""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Json = Any  # what `json.loads` may return

MESSAGE_TRIGGER_EVENTS = ("incomingMessage", "incomingConversationMessage")


@dataclass(frozen=True)
class Problem:
    """Something wrong in a flow: `state` is the state's name, `path` leads there from the top of the definition."""

    code: str
    message: str
    state: str = ""
    path: str = "#"
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.state or 'flow'}: {self.message} ({self.path})"


class InvalidFlow(Exception):
    """The definition cannot run; `problems` says why and where."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Condition:
    type: str
    arguments: tuple[str, ...]
    value: str
    path: str


@dataclass(frozen=True)
class Transition:
    event: str
    next: str | None
    conditions: tuple[Condition, ...]
    path: str


@dataclass(frozen=True)
class Widget:
    """One state of the definition, with its properties unchanged."""

    name: str
    type: str
    properties: Mapping[str, Json]
    transitions: tuple[Transition, ...]
    path: str

    def text(self, name: str) -> str:
        return as_text(self.properties.get(name))

    def pairs(self, name: str) -> Iterator[tuple[str, str]]:
        """The keys and values of a list of {"key": …, "value": …}, such as the parameters of a request."""
        for item in self.items(name):
            yield as_text(item.get("key")), as_text(item.get("value"))

    def items(self, name: str) -> list[Mapping[str, Json]]:
        items = self.properties.get(name)
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    def on(self, event: str) -> Transition | None:
        return next((transition for transition in self.transitions if transition.event == event), None)


@dataclass(frozen=True)
class Flow:
    initial: str
    widgets: Mapping[str, Widget]
    definition: Mapping[str, Json] = field(repr=False)
    problems: tuple[Problem, ...] = ()
    """Problems that do not keep the flow from running, such as a widget of an unsupported type."""

    def as_json(self) -> dict[str, Json]:
        """The definition; one in a legacy format is returned in the current format."""
        return copy.deepcopy(dict(self.definition))

    def is_started_by(self, event: str) -> bool:
        """Whether this event of the trigger leads to a widget."""
        trigger = self.widgets.get(self.initial)
        transition = trigger.on(event) if trigger else None
        return transition is not None and transition.next is not None

    @property
    def message_trigger_event(self) -> str:
        """The event by which a client's message starts this flow; empty if no message starts it.

        A flow that answers a number has `incomingMessage`; one made for Twilio's Conversations has only the other.
        """
        return next((event for event in MESSAGE_TRIGGER_EVENTS if self.is_started_by(event)), "")

    def subflows(self) -> frozenset[str]:
        """The SIDs of the flows that this one runs."""
        return self._subflows

    @cached_property
    def _subflows(self) -> frozenset[str]:
        sids = (w.text("flow_sid").strip() for w in self.widgets.values() if w.type == "run-subflow")
        return frozenset(sid for sid in sids if sid)


def as_text(value: Json) -> str:
    """A property as text: exports write numbers and booleans where the schema has strings, and vice versa."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
