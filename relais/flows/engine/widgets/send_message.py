"""send-message: sends a message and goes on; `sent` means that it is on its way, not that it was delivered.

If `to` or `from` is overridden, the message belongs to another conversation. Only the host knows whether it may be
sent there, so the flow waits for `SendResult`, which comes at once.
"""

from collections.abc import Iterator

from relais.flows.engine.flow import Problem, Widget
from relais.flows.engine.inputs import Input, SendResult
from relais.flows.engine.state import Waiting
from relais.flows.engine.step_context import StepContext, TakeTransition
from relais.flows.engine.widgets.base import WidgetType
from relais.flows.engine.widgets.messages import THEIR_ADDRESS, compose, problems_of, send


class SendMessageWidget(WidgetType):
    type = "send-message"
    events = ("sent", "failed")
    template_properties = ("body", "from", "to", "media_url", "content_sid", "attributes")
    list_properties = ("content_variables",)

    def enter(self, context: StepContext, widget: Widget) -> TakeTransition | None:
        to = context.render(widget.text("to") or THEIR_ADDRESS, widget).strip()
        message = compose(context, widget, to=to)
        outputs = {"outbound": message.outbound}
        if message.refusal:
            return TakeTransition("failed", outputs, reason=message.refusal)
        send(context, message)
        if message.effect.is_to_client:
            return TakeTransition("sent", outputs)
        context.wait("outcome", outbound=message.outbound)
        return None

    def resume(
        self, context: StepContext, widget: Widget, waiting: Waiting, input: Input
    ) -> TakeTransition | None:
        if not isinstance(input, SendResult) or input.ref != waiting["ref"]:
            return None
        outbound = (context.state["waiting"] or waiting)["outbound"] or {}
        if input.error_code:
            error = input.error_message or input.error_code
            reason = f"The message to {outbound.get('To', '')} was not sent: {error}."
            return TakeTransition("failed", {"outbound": outbound}, reason=reason)
        return TakeTransition("sent", {"outbound": outbound})

    def problems(self, widget: Widget) -> Iterator[Problem]:
        yield from problems_of(widget)


SEND_MESSAGE = SendMessageWidget()
