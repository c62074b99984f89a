"""Any other widget: it is named when the flow is loaded, and fails when the flow reaches it."""

from relais.flows.engine.flow import Widget
from relais.flows.engine.step_context import Done, Run
from relais.flows.engine.widgets.base import Kind

FAILURES = ("failed", "fail", "failure", "callFailure", "failedToEnqueue", "deliveryFailure", "error")
# What a widget without a failure of its own does when nothing came of it.
NEXT_BEST = ("providerError", "validationError", "busy", "noAnswer", "noAudio", "hangup", "timeout")


class Unsupported(Kind):
    def enter(self, run: Run, widget: Widget) -> Done:
        event = failure_of(widget)
        taken = widget.on(event)
        goes = f"it takes “{event}”" if taken and taken.next else "nothing follows, so the flow ends here"
        run.warn(widget, f"A widget of type {widget.type} cannot be run here; {goes}.")
        return Done(event, {})


def failure_of(widget: Widget) -> str:
    events = [transition.event for transition in widget.transitions]
    return next((event for event in (*FAILURES, *NEXT_BEST) if event in events), "")


UNSUPPORTED = Unsupported()
