"""run-function: runs a local function, or else POSTs to its URL."""

from relais.flows.engine.effects import RunFunction
from relais.flows.engine.flow import Widget
from relais.flows.engine.inputs import Input, RequestResult
from relais.flows.engine.state import Waiting
from relais.flows.engine.step_context import StepContext, TakeTransition
from relais.flows.engine.widgets import http_outputs
from relais.flows.engine.widgets.base import WidgetType

CONCURRENCY_HEADER = "x-twilio-function-concurrency"


class RunFunctionWidget(WidgetType):
    type = "run-function"
    events = ("success", "fail")
    required_properties = ("url",)
    template_properties = ("url",)
    list_properties = ("parameters",)
    expected_branches = ("fail",)

    def enter(self, context: StepContext, widget: Widget) -> None:
        url = context.text(widget, "url").strip()
        context.wait("answer")
        context.add_effect(
            RunFunction(context.ref, widget.name, url, context.params(widget), widget.text("function_sid"))
        )

    def resume(
        self, context: StepContext, widget: Widget, waiting: Waiting, input: Input
    ) -> TakeTransition | None:
        if not isinstance(input, RequestResult) or input.ref != waiting["ref"]:
            return None
        transition = http_outputs.transition_for(
            input, context.outputs(widget), success_event="success", failure_event="fail", success_below=400
        )
        concurrency = {name.lower(): value for name, value in input.headers.items()}.get(CONCURRENCY_HEADER)
        if not transition.outputs or concurrency is None:
            return transition
        return TakeTransition(
            transition.event,
            {**transition.outputs, "headers": {CONCURRENCY_HEADER: concurrency}},
            reason=transition.reason,
        )


RUN_FUNCTION = RunFunctionWidget()
