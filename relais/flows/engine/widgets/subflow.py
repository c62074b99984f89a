"""run-subflow: another flow within this execution, one level deep; its variables are what it returns."""

from collections.abc import Iterator

from relais.flows.engine.flow import Json, Problem, Widget, as_text
from relais.flows.engine.state import Frame
from relais.flows.engine.step_context import Done, Into, Run
from relais.flows.engine.widgets.base import Kind
from relais.flows.engine.widgets.typed_values import typed_value


class RunSubflow(Kind):
    type = "run-subflow"
    events = ("completed", "failed")
    required = ("flow_sid",)
    lists = ("parameters",)
    guarded = ("failed",)

    def enter(self, run: Run, widget: Widget) -> Done | Into:
        sid = widget.text("flow_sid").strip()
        flow = run.flows.get(sid)
        if run.in_subflow:
            return _failed(run, widget, "A sub-flow cannot run another sub-flow.")
        if flow is None:
            return _failed(run, widget, f"There is no flow {sid} here.")
        parent = {
            "parameters": _parameters(run, widget),
            "step_sid": str(run.ref),
            "execution_sid": run.state["execution_sid"],
            "flow_sid": run.frame["flow_sid"],
            "trigger_type": run.state["event"],
        }
        frame: Frame = {
            "flow_sid": sid,
            "widget": flow.initial,
            "parent": parent,
            "variables": {},
            "widgets": {},
            "refs": {},
        }
        run.state["frames"].append(frame)
        return Into(flow.widgets[flow.initial])

    def problems(self, widget: Widget) -> Iterator[Problem]:
        if "{" in widget.text("flow_sid"):
            path = f"{widget.path}/properties/flow_sid"
            yield Problem(
                "bad_subflow",
                "flow_sid must be a SID as it is written (FW…), not a template: write it there",
                widget.name,
                path,
            )


def _parameters(run: Run, widget: Widget) -> dict[str, Json]:
    """Texts, unless a type is given."""
    items = widget.items("parameters")
    keyed = ((as_text(item.get("key")), item) for item in items)
    return {key: typed_value(run, widget, item, untyped=str) for key, item in keyed if key}


def leave(run: Run, event: str) -> Done:
    """Back to the parent, with what the sub-flow's variables were."""
    frame = run.state["frames"].pop()
    return Done(event, frame["variables"] if event == "completed" else {}, why=_why(event, frame))


def _failed(run: Run, widget: Widget, why: str) -> Done:
    run.warn(widget, why)
    return Done("failed", {})


def _why(event: str, frame: Frame) -> str:
    return f"The sub-flow {frame['flow_sid']} failed." if event == "failed" else ""


RUN_SUBFLOW = RunSubflow()
