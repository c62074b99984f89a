"""send-message: says something and goes on; `sent` means that the message is on its way, not that it arrived.

With `to` or `from` overridden it is another conversation's message: only who keeps those can say whether it may be
sent, so that the flow waits for `Said`, which comes at once.
"""

from collections.abc import Iterator

from relais.flows.engine.flow import Problem, Widget
from relais.flows.engine.inputs import Input, Said
from relais.flows.engine.state import Waiting
from relais.flows.engine.step_context import Done, Run
from relais.flows.engine.widgets.base import Kind
from relais.flows.engine.widgets.messages import THEIR_ADDRESS, compose, problems_of, send


class SendMessage(Kind):
    type = "send-message"
    events = ("sent", "failed")
    templates = ("body", "from", "to", "media_url", "content_sid", "attributes")
    lists = ("content_variables",)

    def enter(self, run: Run, widget: Widget) -> Done | None:
        to = run.render(widget.text("to") or THEIR_ADDRESS, widget).strip()
        message = compose(run, widget, to=to)
        outputs = {"outbound": message.outbound}
        if message.refusal:
            return Done("failed", outputs, why=message.refusal)
        send(run, message)
        if message.say.is_to_client:
            return Done("sent", outputs)
        run.wait("outcome", outbound=message.outbound)
        return None

    def resume(self, run: Run, widget: Widget, waiting: Waiting, input: Input) -> Done | None:
        if not isinstance(input, Said) or input.ref != waiting["ref"]:
            return None
        noted = (run.state["waiting"] or waiting)["outbound"] or {}
        if input.error_code:
            why = f"The message to {noted.get('To', '')} was not sent: {input.error_message or input.error_code}."
            return Done("failed", {"outbound": noted}, why=why)
        return Done("sent", {"outbound": noted})

    def problems(self, widget: Widget) -> Iterator[Problem]:
        yield from problems_of(widget)


SEND_MESSAGE = SendMessage()
