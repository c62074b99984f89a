"""send-message: says something and goes on; `sent` means that the message is on its way, not that it arrived."""

from collections.abc import Iterator

from relais.flows.engine.flow import Problem, Widget
from relais.flows.engine.run import Done, Run
from relais.flows.engine.widgets.kind import Kind
from relais.flows.engine.widgets.messages import THEIR_ADDRESS, compose, says_nothing, send


class SendMessage(Kind):
    type = "send-message"
    events = ("sent", "failed")
    templates = ("body", "from", "to", "media_url", "content_sid", "attributes")
    lists = ("content_variables",)

    def enter(self, run: Run, widget: Widget) -> Done:
        to = run.render(widget.text("to") or THEIR_ADDRESS, widget).strip()
        message = compose(run, widget, to=to)
        outputs = {"outbound": message.outbound}
        if message.refusal:
            return Done("failed", outputs, why=message.refusal)
        send(run, message)
        return Done("sent", outputs)

    def problems(self, widget: Widget) -> Iterator[Problem]:
        yield from says_nothing(widget)


SEND_MESSAGE = SendMessage()
