"""The context of one step: a working copy of the state, and the effects collected so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from relais.flows.engine import limits
from relais.flows.engine.effects import Effect, EndExecution, Params, RecordWarning
from relais.flows.engine.flow import Flow, Json, Widget
from relais.flows.engine.limits import LimitReached
from relais.flows.engine.state import Frame, State, Waiting


@dataclass(frozen=True)
class TakeTransition:
    """The widget has run: follow the transition of `event`, or go to `next` if `has_target`.

    `outputs` replace those of the widget's earlier run.
    """

    event: str
    outputs: Mapping[str, Json] | None = None
    next: str | None = None
    has_target: bool = False
    reason: str = ""
    """Why it failed; recorded as a warning when nothing follows `event`."""


@dataclass(frozen=True)
class EnterSubflow:
    """The widget has pushed the frame of a sub-flow, which begins with `widget`."""

    widget: Widget


WidgetOutcome = TakeTransition | EnterSubflow | None
"""None if the widget waits for an input."""


class StepContext:
    """The working state of a step: where it is, what widgets may do, and the variables that templates see."""

    def __init__(self, flow: Flow, flows: Mapping[str, Flow], state: State, now: datetime) -> None:
        self.now = now
        self.effects: list[Effect] = []
        self.state: State = {**state, "frames": [_copy(frame) for frame in state["frames"]]}
        self.flow = flow
        self.flows = flows
        self._operations_left = limits.MAX_STEP_OPERATIONS

    # -- the current flow and widget ------------------------------------------------------------------

    @property
    def frame(self) -> Frame:
        return self.state["frames"][-1]

    @property
    def is_in_subflow(self) -> bool:
        return len(self.state["frames"]) > 1

    @property
    def current_flow(self) -> Flow | None:
        return self.flows.get(self.frame["flow_sid"]) if self.is_in_subflow else self.flow

    def widget(self, name: str) -> Widget | None:
        flow = self.current_flow
        return flow.widgets.get(name) if flow else None

    @property
    def current_widget(self) -> Widget | None:
        return self.widget(self.frame["widget"])

    def enter(self, widget: Widget) -> None:
        """Count the widget as a step. Raises LimitReached if it must not run."""
        state, key = self.state, [len(self.state["frames"]), widget.name]
        in_a_row = state["in_a_row"] + 1 if state["last"] == key else 1
        if state["steps"] >= limits.MAX_STEPS:
            raise LimitReached(limits.END_MAX_STEPS, widget.name)
        if in_a_row > limits.MAX_RUNS_IN_A_ROW:
            raise LimitReached(limits.END_WIDGET_LOOP, widget.name)
        state.update({"steps": state["steps"] + 1, "in_a_row": in_a_row, "last": key, "waiting": None})
        self.frame["widget"] = widget.name

    def has_passed(self, moment: str) -> bool:
        return self.now >= datetime.fromisoformat(moment)

    @property
    def ref(self) -> int:
        return self.state["steps"]

    # -- what a widget may do -------------------------------------------------------------------------

    def render(self, source: str, widget: Widget) -> str:
        """The text of a template; if it fails, record a warning and return an empty text."""
        # Imported here because the Liquid library is large and commands that only read a flow do not need it.
        from relais.flows.engine.liquid_templates import Budget, InvalidTemplate, RenderedTextTooLong, render

        budget = Budget(limits.MAX_TEMPLATE_OPERATIONS)
        try:
            text = render(
                source, self.template_variables, now=self.now, zone=self.state["zone"], budget=budget
            )
        except InvalidTemplate as error:
            self.warn(widget, f"A template went wrong and is empty: {error}")
            text = ""
        except RenderedTextTooLong as error:
            raise LimitReached(limits.END_TEXT_TOO_LONG, widget.name) from error
        for warning in budget.warnings:
            self.warn(widget, warning)
        self.spend(limits.MAX_TEMPLATE_OPERATIONS - budget.left, widget)
        return text

    def spend(self, operations: int, widget: Widget) -> None:
        """Take operations from the budget of the step. Raises LimitReached when it is exhausted."""
        self._operations_left -= operations
        if self._operations_left < 0:
            raise LimitReached(limits.END_COMPUTATION_TOO_LONG, widget.name)

    def text(self, widget: Widget, name: str) -> str:
        source = widget.text(name)
        return self.render(source, widget) if source else ""

    def params(self, widget: Widget) -> Params:
        pairs = widget.pairs("parameters")
        return tuple((key, self.render(value, widget)) for key, value in pairs if key)

    def outputs(self, widget: Widget) -> Mapping[str, Json]:
        return self.frame["widgets"].get(widget.name, {})

    def add_effect(self, effect: Effect) -> None:
        self.effects.append(effect)

    def warn(self, widget: Widget | None, message: str) -> None:
        self.state["warnings"] += 1
        self.add_effect(RecordWarning(widget.name if widget else "", message))

    def wait(self, on: Any, *, seconds: int | None = None, outbound: dict[str, Json] | None = None) -> str:
        until = None if seconds is None else (self.now + timedelta(seconds=seconds)).isoformat()
        waiting: Waiting = {"on": on, "ref": self.ref, "until": until, "outbound": outbound}
        self.state["waiting"] = waiting
        return until or ""

    def end(self, reason: str) -> None:
        self.state.update({"ended": reason, "waiting": None})
        self.add_effect(EndExecution(reason, self.state["steps"]))

    # -- what templates see ---------------------------------------------------------------------------

    @property
    def template_variables(self) -> dict[str, Json]:
        state, frame = self.state, self.frame
        trigger = state["trigger"]
        if frame["parent"] is not None:
            trigger = {**trigger, "parent": frame["parent"]}
        return {
            "trigger": trigger,
            "widgets": frame["widgets"],
            "contact": {"channel": {"address": state["contact"]}},
            "flow": {
                "sid": state["execution_sid"],
                "flow_sid": frame["flow_sid"],
                "channel": {"address": state["channel"]},
                "data": state["data"],
                "variables": frame["variables"],
            },
        }


def _copy(frame: Frame) -> Frame:
    """A copy as deep as a step changes: the outputs of a widget are replaced as a whole."""
    return {
        **frame,
        "variables": dict(frame["variables"]),
        "widgets": dict(frame["widgets"]),
        "refs": dict(frame["refs"]),
    }
