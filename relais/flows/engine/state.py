"""The state of an execution: plain JSON, which is stored as it is."""

from datetime import datetime
from typing import Any, Literal, TypedDict

from relais.flows.engine.flow import Json


class Frame(TypedDict):
    """A flow that is running, with its variables; a sub-flow's frame lies on top of its parent's."""

    flow_sid: str
    widget: str
    """The current widget: the one that waits, or that runs the sub-flow above."""
    parent: dict[str, Json] | None
    """`trigger.parent` of a sub-flow."""
    variables: dict[str, Json]
    widgets: dict[str, dict[str, Json]]
    refs: dict[str, int]
    """The `ref` of each widget's last message: only the result of that one fills `outbound`."""


class Waiting(TypedDict):
    on: Literal["start", "reply", "answer", "outcome"]
    ref: int
    until: str | None
    outbound: dict[str, Json] | None


class State(TypedDict):
    version: int
    execution_sid: str
    contact: str
    channel: str
    zone: str
    started_at: str
    expires_at: str
    event: str
    trigger: dict[str, Json]
    data: dict[str, Json]
    frames: list[Frame]
    waiting: Waiting | None
    steps: int
    in_a_row: int
    last: list[Any]
    """Depth and name of the widget entered last."""
    warnings: int
    ended: str | None


def due_at(state: State) -> datetime | None:
    """When to give the execution `TimedOut`: at the end of a wait, or of the execution's maximal age."""
    if state["ended"] is not None:
        return None
    expires = datetime.fromisoformat(state["expires_at"])
    until = state["waiting"] and state["waiting"]["until"]
    return min(datetime.fromisoformat(until), expires) if until else expires


def waits_for_reply(state: State) -> bool:
    """Whether the execution waits for a message of the client."""
    waiting = state["waiting"]
    return state["ended"] is None and waiting is not None and waiting["on"] == "reply"
