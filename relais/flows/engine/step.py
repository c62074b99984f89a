"""Starts an execution, and runs it by steps: each until the flow waits for something outside or ends."""

from collections.abc import Mapping
from datetime import datetime

from relais.flows.engine import limits
from relais.flows.engine.effects import Effect
from relais.flows.engine.flow import Flow, Widget
from relais.flows.engine.inputs import ExecutionContext, Input, SendResult, Started, Trigger
from relais.flows.engine.limits import LimitReached
from relais.flows.engine.state import Frame, State
from relais.flows.engine.step_context import EnterSubflow, StepContext, TakeTransition
from relais.flows.engine.values import storable_json, storable_object
from relais.flows.engine.widgets import subflow, widget_type_of
from relais.flows.engine.widgets.messages import record_send_result
from relais.flows.engine.widgets.trigger import trigger_data, trigger_variables

VERSION = 1
NO_FLOWS: Mapping[str, Flow] = {}


def start(flow: Flow, *, trigger: Trigger, context: ExecutionContext, now: datetime) -> State:
    """The state of a new execution; `step` it with `Started()`. `now` must be aware."""
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
        "contact": storable_json(context.contact),
        "channel": storable_json(context.channel),
        "zone": context.zone,
        "started_at": now.isoformat(),
        "expires_at": (now + limits.MAX_EXECUTION_AGE).isoformat(),
        "event": trigger.event,
        "trigger": trigger_variables(trigger, context, now),
        "data": {**storable_object(context.data), **trigger_data(trigger)},
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
    """The state after the input, and the effects. Never raises for what a flow or an input contains."""
    if state["ended"] is not None:
        return state, ()
    context = StepContext(flow, flows, state, now)
    try:
        if not _apply_input(context, input):
            return state, ()
    except LimitReached as limit:
        context.warn(context.current_widget, str(limit))
        context.end(limit.reason)
    return context.state, tuple(context.effects)


def _apply_input(context: StepContext, input: Input) -> bool:
    """Whether the input changed anything."""
    if context.has_passed(context.state["expires_at"]):
        raise LimitReached(limits.END_EXECUTION_TOO_LONG, context.frame["widget"])
    waiting, current_widget = context.state["waiting"], context.current_widget
    if waiting is None:
        return False
    if waiting["on"] == "start":
        if not isinstance(input, Started):
            return False
        _run_from(context, current_widget)
        return True
    if current_widget is None:
        # The state belongs to another revision, or its sub-flow was not passed: the current widget is unknown.
        context.warn(None, f"There is no widget {context.frame['widget']} any more.")
        _run_from(context, _leave_subflow(context, "failed"))
        return True
    is_recorded = isinstance(input, SendResult) and record_send_result(context, input)
    outcome = widget_type_of(current_widget).resume(context, current_widget, waiting, input)
    if outcome is not None:
        _run_from(context, _follow_transition(context, current_widget, outcome))
    return is_recorded or outcome is not None


def _run_from(context: StepContext, widget: Widget | None) -> None:
    """Run widgets until one waits; after the last one of a sub-flow, go on in its parent."""
    while True:
        while widget is None:
            if not context.is_in_subflow:
                context.end(limits.END_COMPLETED)
                return
            widget = _leave_subflow(context, "completed")
        context.enter(widget)
        outcome = widget_type_of(widget).enter(context, widget)
        if outcome is None:
            return
        widget = (
            outcome.widget
            if isinstance(outcome, EnterSubflow)
            else _follow_transition(context, widget, outcome)
        )


def _follow_transition(context: StepContext, widget: Widget, outcome: TakeTransition) -> Widget | None:
    if outcome.outputs is not None:
        context.frame["widgets"][widget.name] = dict(outcome.outputs)
    transition = widget.on(outcome.event)
    target = outcome.next if outcome.has_target else transition.next if transition else None
    if target is None:
        if outcome.reason:
            context.warn(
                widget, f"{outcome.reason} Nothing follows “{outcome.event}”, so the flow ends here."
            )
        return None
    next_widget = context.widget(target)
    if next_widget is None:
        context.warn(widget, f"“{outcome.event}” leads to {target}, which is no state of this flow.")
    return next_widget


def _leave_subflow(context: StepContext, event: str) -> Widget | None:
    if not context.is_in_subflow:
        return None
    outcome = subflow.leave(context, event)
    parent = context.current_widget
    return _follow_transition(context, parent, outcome) if parent is not None else None
