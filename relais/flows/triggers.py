"""What may start a flow, which of it is available here, and where each start leads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from relais.flows.engine.flow import Flow, Problem
from relais.flows.engine.inputs import STARTS

PARENT, REQUEST, CALL = "incomingParent", "incomingRequest", "incomingCall"
EVENTS = (*STARTS, CALL)
NAMES = {
    "incomingMessage": "client message",
    "incomingConversationMessage": "conversation message",
    REQUEST: "REST request",
    PARENT: "parent flow",
    CALL: "call",
}


@dataclass(frozen=True)
class Verdict:
    """What becomes of a flow that is started in one way."""

    event: str
    is_available: bool
    errors: int = 0
    """On the states that it may reach."""
    subflows: tuple[str, ...] = ()
    """The SIDs of the flows that it may run below."""

    def __str__(self) -> str:
        return f"{NAMES.get(self.event, self.event)}: {self._outcome()}"

    def _outcome(self) -> str:
        if not self.is_available:
            return UNAVAILABLE.get(self.event, "not available here")
        below = f", with the sub-flow {' and '.join(self.subflows)}" if self.subflows else ""
        if self.errors:
            return f"has {self.errors} error{'' if self.errors == 1 else 's'} on its way{below}"
        return f"runs{below}"


UNAVAILABLE = {
    "incomingConversationMessage": "not used here, since incomingMessage leads somewhere",
    REQUEST: "not available here; relais flow play --request tries it",
}


def connected(flow: Flow) -> tuple[str, ...]:
    """The starts that lead somewhere, those of the documentation first."""
    trigger = flow.widgets.get(flow.initial)
    written = [transition.event for transition in trigger.transitions] if trigger else []
    return tuple(event for event in dict.fromkeys([*EVENTS, *written]) if flow.starts_by(event))


def available(flow: Flow) -> tuple[str, ...]:
    """The starts that happen here: a message of a client, and a parent that runs the flow."""
    return tuple(event for event in connected(flow) if event in (flow.message_start, PARENT))


def judged(flow: Flow) -> tuple[str, ...]:
    """The starts that a check is about: those available, or all where none of them is."""
    return available(flow) or connected(flow)


def reached(flow: Flow, events: Iterable[str]) -> set[str]:
    """The states on the ways from the trigger, by these events of it."""
    trigger = flow.widgets.get(flow.initial)
    if trigger is None:
        return set()
    found = {trigger.name}
    beyond = [t.next for t in map(trigger.on, events) if t is not None and t.next in flow.widgets]
    while beyond:
        name = beyond.pop()
        if name is not None and name not in found:
            found.add(name)
            beyond += [t.next for t in flow.widgets[name].transitions if t.next in flow.widgets]
    return found


def problems_of(flow: Flow) -> Iterator[Problem]:
    """What keeps a flow from being started here."""
    trigger = flow.widgets.get(flow.initial)
    if trigger is None or trigger.type != "trigger" or available(flow):
        return
    others = [f"a {NAMES.get(event, event)} ({event})" for event in connected(flow)]
    if others:
        said = f"it starts by {' or '.join(others)} only, which is not available here, and by no message of a client"
    else:
        said = "nothing starts this flow: no event of its trigger leads anywhere"
    said += "; connect incomingMessage of the trigger"
    yield Problem("no_start", said, trigger.name, f"{trigger.path}/transitions", "warning")


def verdicts(flow: Flow, problems: Collection[Problem]) -> tuple[Verdict, ...]:
    """One for each start that leads somewhere."""
    return tuple(_verdict(flow, event, problems) for event in connected(flow))


def _verdict(flow: Flow, event: str, problems: Collection[Problem]) -> Verdict:
    if event not in available(flow):
        return Verdict(event, is_available=False)
    states = reached(flow, [event])
    errors = sum(problem.level == "error" and problem.state in states for problem in problems)
    widgets = (flow.widgets[name] for name in flow.widgets if name in states)
    below = (w.text("flow_sid").strip() for w in widgets if w.type == "run-subflow")
    return Verdict(event, True, errors, tuple(dict.fromkeys(sid for sid in below if sid)))
