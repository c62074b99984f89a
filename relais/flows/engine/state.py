"""The state of an execution: plain JSON, so that it can be stored as it is."""

from datetime import datetime
from typing import Any, Literal, TypedDict

from relais.flows.engine.flow import Json


class Frame(TypedDict):
    """The flow being run, and what it knows; beneath a sub-flow's stands its parent's."""

    flow_sid: str
    widget: str
    """Where it is: the widget that waits, or that runs the sub-flow above."""
    parent: dict[str, Json] | None
    """`trigger.parent` of a sub-flow."""
    variables: dict[str, Json]
    widgets: dict[str, dict[str, Json]]
    refs: dict[str, int]
    """The last message of each widget, so that only its outcome fills `outbound`."""


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
    """When time itself moves the execution: the end of a wait, or of the days an execution may last."""
    if state["ended"] is not None:
        return None
    expires = datetime.fromisoformat(state["expires_at"])
    until = state["waiting"] and state["waiting"]["until"]
    return min(datetime.fromisoformat(until), expires) if until else expires


def waits_for_reply(state: State) -> bool:
    """A message of the client would answer a question."""
    waiting = state["waiting"]
    return state["ended"] is None and waiting is not None and waiting["on"] == "reply"
