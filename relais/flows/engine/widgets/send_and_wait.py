"""send-and-wait-for-reply: asks the client something, and waits for his next message or too long.

Studio gives it no `to`. One that names somebody else is refused: what is meant for another is not told to the client,
and the other's reply would come to another conversation. The same with a `from` that the client did not write to.
"""

from collections.abc import Iterator

from relais.flows.engine import limits
from relais.flows.engine.conditions import number
from relais.flows.engine.effects import Wait
from relais.flows.engine.flow import Problem, Widget
from relais.flows.engine.inputs import Input, MessageArrived, Said, TimedOut
from relais.flows.engine.state import Waiting
from relais.flows.engine.step_context import Done, Run
from relais.flows.engine.values import plain_object
from relais.flows.engine.widgets.base import Kind
from relais.flows.engine.widgets.messages import THEIR_ADDRESS, Message, compose, problems_of, send
from relais.flows.engine.widgets.trigger import CONVERSATION, conversation_of

OTHER_ADDRESS = "other_address"
THE_CLIENT = (
    THEIR_ADDRESS,
    "{{trigger.message.From}}",
    "{{trigger.conversation.From}}",
    "{{trigger.request.to}}",
)
LONGEST = int(limits.EXECUTION.total_seconds())


class SendAndWait(Kind):
    type = "send-and-wait-for-reply"
    events = ("incomingMessage", "timeout", "deliveryFailure")
    templates = ("body", "from", "to", "media_url", "content_sid", "attributes", "timeout")
    lists = ("content_variables",)
    guarded = ("timeout",)

    def enter(self, run: Run, widget: Widget) -> Done | None:
        to = run.text(widget, "to").strip()
        message = compose(run, widget, to=to or run.state["contact"])
        if message.refusal:
            return Done("deliveryFailure", {"outbound": message.outbound}, why=message.refusal)
        if not message.say.is_to_client:
            return self._refused(run, widget, message)
        send(run, message)
        seconds = self._seconds(run, widget)
        until = run.wait("reply", seconds=seconds, outbound=message.outbound)
        run.do(Wait(widget.name, seconds, until))
        return None

    def resume(self, run: Run, widget: Widget, waiting: Waiting, input: Input) -> Done | None:
        # What became of the message may have been noted since.
        now = run.state["waiting"] or waiting
        outbound = {"outbound": now["outbound"] or {}}
        if isinstance(input, MessageArrived):
            if run.state["event"] == CONVERSATION:
                told = conversation_of(input.params, run.now)
                run.state["trigger"] = {**run.state["trigger"], "conversation": told}
            return Done("incomingMessage", {**outbound, "inbound": plain_object(input.params)})
        if isinstance(input, TimedOut) and waiting["until"] is not None and run.is_past(waiting["until"]):
            return Done("timeout", outbound)
        if isinstance(input, Said) and input.ref == waiting["ref"] and input.error_code:
            return Done("deliveryFailure", outbound, why="The message was not delivered.")
        return None

    def _refused(self, run: Run, widget: Widget, message: Message) -> Done:
        say = message.say
        run.warn(
            widget,
            f"The question was not asked: it would go from {say.sender} to {say.to}, whose reply does not come here. "
            "A send-message can write to others.",
        )
        error = {
            "Status": "failed",
            "ErrorCode": OTHER_ADDRESS,
            "ErrorMessage": "not the client's conversation",
        }
        return Done("deliveryFailure", {"outbound": message.outbound | error})

    def problems(self, widget: Widget) -> Iterator[Problem]:
        yield from problems_of(widget)
        to = widget.text("to").strip()
        if to and to.replace(" ", "") not in THE_CLIENT:
            said = f"a question goes to the client and waits for him; to is “{to}”: remove it, or use a send-message"
            path = f"{widget.path}/properties/to"
            yield Problem("other_recipient", said, widget.name, path, "warning")
        written = widget.text("timeout").strip()
        if "{" not in written and written and _whole(written) is None:
            said = (
                f"timeout is “{written}”, so that {limits.WAIT_SECONDS} counts: "
                f"write a number of seconds from 0 to {LONGEST}"
            )
            path = f"{widget.path}/properties/timeout"
            yield Problem("bad_timeout", said, widget.name, path, "warning")

    def _seconds(self, run: Run, widget: Widget) -> int:
        written = run.text(widget, "timeout").strip()
        seconds = _whole(written)
        if seconds is None and written:
            run.warn(widget, f"“{written}” is no time to wait; it is {limits.WAIT_SECONDS} seconds then.")
        return limits.WAIT_SECONDS if seconds is None else seconds


def _whole(written: str) -> int | None:
    found = number(written)
    return int(found) if found is not None and 0 <= found <= LONGEST else None


SEND_AND_WAIT = SendAndWait()
