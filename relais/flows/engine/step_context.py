"""One step being taken: a working copy of the state, and the effects so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from relais.flows.engine import limits
from relais.flows.engine.effects import Effect, End, Params, Warn
from relais.flows.engine.flow import Flow, Json, Widget
from relais.flows.engine.limits import LimitReached
from relais.flows.engine.state import Frame, State, Waiting


@dataclass(frozen=True)
class Done:
    """A widget has run: `event` chooses where to go, unless `next` does; `outputs` replace its earlier ones."""

    event: str
    outputs: Mapping[str, Json] | None = None
    next: str | None = None
    chosen: bool = False
    why: str = ""
    """Of a failure: said when it leads nowhere."""


@dataclass(frozen=True)
class Into:
    """The widget has brought another flow on top, which begins with this one."""

    widget: Widget


Outcome = Done | Into | None
"""None: the widget waits."""


class Run:
    def __init__(self, flow: Flow, flows: Mapping[str, Flow], state: State, now: datetime) -> None:
        self.now = now
        self.effects: list[Effect] = []
        self.state: State = {**state, "frames": [_copy(frame) for frame in state["frames"]]}
        self.flow = flow
        self.flows = flows
        self._operations_left = limits.STEP_OPERATIONS

    # -- where it is ----------------------------------------------------------------------------------

    @property
    def frame(self) -> Frame:
        return self.state["frames"][-1]

    @property
    def in_subflow(self) -> bool:
        return len(self.state["frames"]) > 1

    @property
    def current_flow(self) -> Flow | None:
        return self.flows.get(self.frame["flow_sid"]) if self.in_subflow else self.flow

    def widget(self, name: str) -> Widget | None:
        flow = self.current_flow
        return flow.widgets.get(name) if flow else None

    @property
    def here(self) -> Widget | None:
        return self.widget(self.frame["widget"])

    def enter(self, widget: Widget) -> None:
        """Counts the widget as a step; raises LimitReached when it must not be run."""
        state, key = self.state, [len(self.state["frames"]), widget.name]
        in_a_row = state["in_a_row"] + 1 if state["last"] == key else 1
        if state["steps"] >= limits.STEPS:
            raise LimitReached(limits.MAX_STEPS, widget.name)
        if in_a_row > limits.IN_A_ROW:
            raise LimitReached(limits.WIDGET_LOOP, widget.name)
        state.update({"steps": state["steps"] + 1, "in_a_row": in_a_row, "last": key, "waiting": None})
        self.frame["widget"] = widget.name

    def is_past(self, moment: str) -> bool:
        return self.now >= datetime.fromisoformat(moment)

    @property
    def ref(self) -> int:
        return self.state["steps"]

    # -- what a widget may do -------------------------------------------------------------------------

    def render(self, source: str, widget: Widget) -> str:
        """The text of a template; one that goes wrong is warned of and empty."""
        # The library behind it is large, and whoever only reads a flow does without.
        from relais.flows.engine.templates import BadTemplate, Budget, TooLong, render

        budget = Budget(limits.TEMPLATE_OPERATIONS)
        try:
            text = render(source, self.names, now=self.now, zone=self.state["zone"], budget=budget)
        except BadTemplate as error:
            self.warn(widget, f"A template went wrong and is empty: {error}")
            text = ""
        except TooLong as error:
            raise LimitReached(limits.TEXT_TOO_LONG, widget.name) from error
        for warning in budget.warnings:
            self.warn(widget, warning)
        self.spend(limits.TEMPLATE_OPERATIONS - budget.left, widget)
        return text

    def spend(self, operations: int, widget: Widget) -> None:
        """Raises LimitReached when the step has computed all that it may."""
        self._operations_left -= operations
        if self._operations_left < 0:
            raise LimitReached(limits.COMPUTATION_TOO_LONG, widget.name)

    def text(self, widget: Widget, name: str) -> str:
        source = widget.text(name)
        return self.render(source, widget) if source else ""

    def params(self, widget: Widget) -> Params:
        pairs = widget.pairs("parameters")
        return tuple((key, self.render(value, widget)) for key, value in pairs if key)

    def outputs(self, widget: Widget) -> Mapping[str, Json]:
        return self.frame["widgets"].get(widget.name, {})

    def do(self, effect: Effect) -> None:
        self.effects.append(effect)

    def warn(self, widget: Widget | None, message: str) -> None:
        self.state["warnings"] += 1
        self.do(Warn(widget.name if widget else "", message))

    def wait(self, on: Any, *, seconds: int | None = None, outbound: dict[str, Json] | None = None) -> str:
        until = None if seconds is None else (self.now + timedelta(seconds=seconds)).isoformat()
        waiting: Waiting = {"on": on, "ref": self.ref, "until": until, "outbound": outbound}
        self.state["waiting"] = waiting
        return until or ""

    def end(self, reason: str) -> None:
        self.state.update({"ended": reason, "waiting": None})
        self.do(End(reason, self.state["steps"]))

    # -- what templates see ---------------------------------------------------------------------------

    @property
    def names(self) -> dict[str, Json]:
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
    """Shallow where a step only replaces: outputs of a widget are set as a whole."""
    return {
        **frame,
        "variables": dict(frame["variables"]),
        "widgets": dict(frame["widgets"]),
        "refs": dict(frame["refs"]),
    }
