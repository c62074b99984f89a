"""All other widget types: a problem when the flow is loaded, a failure when the flow enters one."""

from relais.flows.engine.flow import Problem, Widget
from relais.flows.engine.step_context import StepContext, TakeTransition
from relais.flows.engine.widgets.base import WidgetType

FAILURE_EVENTS = ("failed", "fail", "failure", "callFailure", "failedToEnqueue", "deliveryFailure", "error")
# Events taken by a widget that has none of the above.
FALLBACK_EVENTS = ("providerError", "validationError", "busy", "noAnswer", "noAudio", "hangup", "timeout")


class UnsupportedWidget(WidgetType):
    def enter(self, context: StepContext, widget: Widget) -> TakeTransition:
        event = failure_event_of(widget)
        transition = widget.on(event)
        is_connected = transition is not None and transition.next is not None
        consequence = f"it takes “{event}”" if is_connected else "nothing follows, so the flow ends here"
        context.warn(widget, f"A widget of type {widget.type} cannot be run here; {consequence}.")
        return TakeTransition(event, {})


def unsupported_problem(widget: Widget) -> Problem:
    """What the check of a flow reports."""
    event = failure_event_of(widget)
    transition = widget.on(event)
    is_connected = transition is not None and transition.next is not None
    consequence = (
        f"it takes “{event}”" if is_connected else "and nothing follows its failure, so the flow ends"
    )
    message = f"a widget of type {widget.type} cannot be run here, {consequence}: replace it"
    return Problem("unsupported_widget", message, widget.name, f"{widget.path}/type")


def failure_event_of(widget: Widget) -> str:
    events = [transition.event for transition in widget.transitions]
    return next((event for event in (*FAILURE_EVENTS, *FALLBACK_EVENTS) if event in events), "")


UNSUPPORTED = UnsupportedWidget()
