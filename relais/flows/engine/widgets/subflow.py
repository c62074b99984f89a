"""run-subflow: runs another flow within this execution, one level deep; it returns the sub-flow's variables."""

from collections.abc import Iterator

from relais.flows.engine.flow import Json, Problem, Widget, as_text
from relais.flows.engine.state import Frame
from relais.flows.engine.step_context import EnterSubflow, StepContext, TakeTransition
from relais.flows.engine.widgets.base import WidgetType
from relais.flows.engine.widgets.typed_values import typed_value


class RunSubflowWidget(WidgetType):
    type = "run-subflow"
    events = ("completed", "failed")
    required_properties = ("flow_sid",)
    list_properties = ("parameters",)
    expected_branches = ("failed",)

    def enter(self, context: StepContext, widget: Widget) -> TakeTransition | EnterSubflow:
        sid = widget.text("flow_sid").strip()
        flow = context.flows.get(sid)
        if context.is_in_subflow:
            return _failed(context, widget, "A sub-flow cannot run another sub-flow.")
        if flow is None:
            return _failed(context, widget, f"There is no flow {sid} here.")
        parent = {
            "parameters": _parameters(context, widget),
            "step_sid": str(context.ref),
            "execution_sid": context.state["execution_sid"],
            "flow_sid": context.frame["flow_sid"],
            "trigger_type": context.state["event"],
        }
        frame: Frame = {
            "flow_sid": sid,
            "widget": flow.initial,
            "parent": parent,
            "variables": {},
            "widgets": {},
            "refs": {},
        }
        context.state["frames"].append(frame)
        return EnterSubflow(flow.widgets[flow.initial])

    def problems(self, widget: Widget) -> Iterator[Problem]:
        if "{" in widget.text("flow_sid"):
            path = f"{widget.path}/properties/flow_sid"
            yield Problem(
                "bad_subflow",
                "flow_sid must be a SID as it is written (FW…), not a template: write it there",
                widget.name,
                path,
            )


def _parameters(context: StepContext, widget: Widget) -> dict[str, Json]:
    """The rendered parameters; values without a type are texts."""
    items = widget.items("parameters")
    keyed = ((as_text(item.get("key")), item) for item in items)
    return {key: typed_value(context, widget, item, untyped=str) for key, item in keyed if key}


def leave(context: StepContext, event: str) -> TakeTransition:
    """Pop the sub-flow's frame, and return its variables to the parent."""
    frame = context.state["frames"].pop()
    if event == "completed":
        return TakeTransition(event, frame["variables"])
    return TakeTransition(event, {}, reason=f"The sub-flow {frame['flow_sid']} failed.")


def _failed(context: StepContext, widget: Widget, reason: str) -> TakeTransition:
    context.warn(widget, reason)
    return TakeTransition("failed", {})


RUN_SUBFLOW = RunSubflowWidget()
