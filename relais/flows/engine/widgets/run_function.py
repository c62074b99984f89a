"""run-function: a function known here by its URL or SID, or else a POST to its URL."""

from relais.flows.engine.effects import RunFunction
from relais.flows.engine.flow import Widget
from relais.flows.engine.inputs import Answered, Input
from relais.flows.engine.state import Waiting
from relais.flows.engine.step_context import Done, Run
from relais.flows.engine.widgets import http_outputs
from relais.flows.engine.widgets.base import Kind

CONCURRENCY = "x-twilio-function-concurrency"


class Function(Kind):
    type = "run-function"
    events = ("success", "fail")
    required = ("url",)
    templates = ("url",)
    lists = ("parameters",)
    guarded = ("fail",)

    def enter(self, run: Run, widget: Widget) -> None:
        url = run.text(widget, "url").strip()
        run.wait("answer")
        run.do(RunFunction(run.ref, widget.name, url, run.params(widget), widget.text("function_sid")))

    def resume(self, run: Run, widget: Widget, waiting: Waiting, input: Input) -> Done | None:
        if not isinstance(input, Answered) or input.ref != waiting["ref"]:
            return None
        done = http_outputs.done(input, run.outputs(widget), success="success", failure="fail", below=400)
        told = {name.lower(): value for name, value in input.headers.items()}.get(CONCURRENCY)
        if not done.outputs or told is None:
            return done
        return Done(done.event, {**done.outputs, "headers": {CONCURRENCY: told}}, why=done.why)


RUN_FUNCTION = Function()
