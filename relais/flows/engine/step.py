"""Starting an execution, and taking it one step further: until it waits for something outside, or ends."""

from collections.abc import Mapping
from datetime import datetime

from relais.flows.engine import limits
from relais.flows.engine.effects import Effect
from relais.flows.engine.flow import Flow, Widget
from relais.flows.engine.inputs import Context, Input, Said, Started, Trigger
from relais.flows.engine.limits import LimitReached
from relais.flows.engine.state import Frame, State
from relais.flows.engine.step_context import Done, Into, Run
from relais.flows.engine.values import plain, plain_object
from relais.flows.engine.widgets import kind_of, subflow
from relais.flows.engine.widgets.messages import note_outcome
from relais.flows.engine.widgets.trigger import data_of, names_of

VERSION = 1
NO_FLOWS: Mapping[str, Flow] = {}


def start(flow: Flow, *, trigger: Trigger, context: Context, now: datetime) -> State:
    """An execution that has not run yet: `step` it with `Started()`. `now` has a zone."""
    frame: Frame = {
        "flow_sid": context.flow_sid,
        "widget": flow.initial,
        "parent": None,
        "variables": {},
        "widgets": {},
        "refs": {},
    }
    return {
        "version": VERSION,
        "execution_sid": context.execution_sid,
        "contact": plain(context.contact),
        "channel": plain(context.channel),
        "zone": context.zone,
        "started_at": now.isoformat(),
        "expires_at": (now + limits.EXECUTION).isoformat(),
        "event": trigger.event,
        "trigger": names_of(trigger, context, now),
        "data": {**plain_object(context.data), **data_of(trigger)},
        "frames": [frame],
        "waiting": {"on": "start", "ref": 0, "until": None, "outbound": None},
        "steps": 0,
        "in_a_row": 0,
        "last": [],
        "warnings": 0,
        "ended": None,
    }


def step(
    flow: Flow, state: State, input: Input, *, now: datetime, flows: Mapping[str, Flow] = NO_FLOWS
) -> tuple[State, tuple[Effect, ...]]:
    if state["ended"] is not None:
        return state, ()
    run = Run(flow, flows, state, now)
    try:
        if not _take(run, input):
            return state, ()
    except LimitReached as limit:
        run.warn(run.here, str(limit))
        run.end(limit.reason)
    return run.state, tuple(run.effects)


def _take(run: Run, input: Input) -> bool:
    """Whether the input changed anything."""
    if run.is_past(run.state["expires_at"]):
        raise LimitReached(limits.EXECUTION_TOO_LONG, run.frame["widget"])
    waiting, here = run.state["waiting"], run.here
    if waiting is None:
        return False
    if waiting["on"] == "start":
        if not isinstance(input, Started):
            return False
        _go(run, here)
        return True
    if here is None:
        # The state is of another revision, or its sub-flow was not given: nobody can say where to go.
        run.warn(None, f"There is no widget {run.frame['widget']} any more.")
        _go(run, _after_subflow(run, "failed"))
        return True
    noted = isinstance(input, Said) and note_outcome(run, input)
    done = kind_of(here).resume(run, here, waiting, input)
    if done is not None:
        _go(run, _next(run, here, done))
    return noted or done is not None


def _go(run: Run, widget: Widget | None) -> None:
    """Runs widgets until one waits; after the last one of a sub-flow its parent goes on."""
    while True:
        while widget is None:
            if not run.in_subflow:
                run.end(limits.COMPLETED)
                return
            widget = _after_subflow(run, "completed")
        run.enter(widget)
        outcome = kind_of(widget).enter(run, widget)
        if outcome is None:
            return
        widget = outcome.widget if isinstance(outcome, Into) else _next(run, widget, outcome)


def _next(run: Run, widget: Widget, done: Done) -> Widget | None:
    if done.outputs is not None:
        run.frame["widgets"][widget.name] = dict(done.outputs)
    transition = widget.on(done.event)
    target = done.next if done.chosen else transition.next if transition else None
    if target is None:
        if done.why:
            run.warn(widget, f"{done.why} Nothing follows “{done.event}”, so the flow ends here.")
        return None
    found = run.widget(target)
    if found is None:
        run.warn(widget, f"“{done.event}” leads to {target}, which is no state of this flow.")
    return found


def _after_subflow(run: Run, event: str) -> Widget | None:
    if not run.in_subflow:
        return None
    done = subflow.leave(run, event)
    parent = run.here
    return _next(run, parent, done) if parent is not None else None
