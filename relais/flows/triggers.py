"""The events that start a flow: which are available here, and which states each can reach."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from relais.flows.engine.flow import Flow, Problem
from relais.flows.engine.inputs import TRIGGER_EVENTS

PARENT, REQUEST, CALL = "incomingParent", "incomingRequest", "incomingCall"
EVENTS = (*TRIGGER_EVENTS, CALL)
EVENT_NAMES = {
    "incomingMessage": "client message",
    "incomingConversationMessage": "conversation message",
    REQUEST: "REST request",
    PARENT: "parent flow",
    CALL: "call",
}


@dataclass(frozen=True)
class Verdict:
    """What happens when one event of the trigger starts the flow."""

    event: str
    is_available: bool
    errors: int = 0
    """The number of errors on the states that it can reach."""
    subflows: tuple[str, ...] = ()
    """The SIDs of the sub-flows that it can run."""

    def __str__(self) -> str:
        return f"{EVENT_NAMES.get(self.event, self.event)}: {self._outcome()}"

    def _outcome(self) -> str:
        if not self.is_available:
            return UNAVAILABLE.get(self.event, "not available here")
        subflows = f", with the sub-flow {' and '.join(self.subflows)}" if self.subflows else ""
        if self.errors:
            return f"has {self.errors} error{'' if self.errors == 1 else 's'} on its way{subflows}"
        return f"runs{subflows}"


UNAVAILABLE = {
    "incomingConversationMessage": "not used here, since incomingMessage leads somewhere",
    REQUEST: "not available here; relais flow play --request tries it",
}


def connected(flow: Flow) -> tuple[str, ...]:
    """The trigger's events that have a transition, in the order of EVENTS."""
    trigger = flow.widgets.get(flow.initial)
    events = [transition.event for transition in trigger.transitions] if trigger else []
    return tuple(event for event in dict.fromkeys([*EVENTS, *events]) if flow.is_started_by(event))


def available(flow: Flow) -> tuple[str, ...]:
    """The events that occur here: a message of a client, and a parent that runs the flow."""
    return tuple(event for event in connected(flow) if event in (flow.message_trigger_event, PARENT))


def checked_events(flow: Flow) -> tuple[str, ...]:
    """The events that `relais flow check` follows: those available, or all if none is."""
    return available(flow) or connected(flow)


def reachable_states(flow: Flow, events: Iterable[str]) -> set[str]:
    """The names of the states that these events of the trigger can reach (graph search)."""
    trigger = flow.widgets.get(flow.initial)
    if trigger is None:
        return set()
    reachable = {trigger.name}
    pending = [t.next for t in map(trigger.on, events) if t is not None and t.next in flow.widgets]
    while pending:
        name = pending.pop()
        if name is not None and name not in reachable:
            reachable.add(name)
            pending += [t.next for t in flow.widgets[name].transitions if t.next in flow.widgets]
    return reachable


def problems_of(flow: Flow) -> Iterator[Problem]:
    """The problem of a flow that nothing can start here."""
    trigger = flow.widgets.get(flow.initial)
    if trigger is None or trigger.type != "trigger" or available(flow):
        return
    others = [f"a {EVENT_NAMES.get(event, event)} ({event})" for event in connected(flow)]
    if others:
        message = f"it starts by {' or '.join(others)} only, which is not available here, and by no message of a client"
    else:
        message = "nothing starts this flow: no event of its trigger leads anywhere"
    message += "; connect incomingMessage of the trigger"
    yield Problem("no_start", message, trigger.name, f"{trigger.path}/transitions", "warning")


def verdicts(flow: Flow, problems: Collection[Problem]) -> tuple[Verdict, ...]:
    """One for each connected event."""
    return tuple(_verdict(flow, event, problems) for event in connected(flow))


def _verdict(flow: Flow, event: str, problems: Collection[Problem]) -> Verdict:
    if event not in available(flow):
        return Verdict(event, is_available=False)
    states = reachable_states(flow, [event])
    errors = sum(problem.level == "error" and problem.state in states for problem in problems)
    widgets = (flow.widgets[name] for name in flow.widgets if name in states)
    subflows = (w.text("flow_sid").strip() for w in widgets if w.type == "run-subflow")
    return Verdict(event, True, errors, tuple(dict.fromkeys(sid for sid in subflows if sid)))
