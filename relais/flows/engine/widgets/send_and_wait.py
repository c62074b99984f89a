"""send-and-wait-for-reply: sends a question to the client, and waits for his next message or a time-out.

Studio gives it no `to`. A `to` that names somebody else is refused: the client must not read what is meant for
another, whose reply would arrive in another conversation. So is a `from` that the client did not write to.
"""

from collections.abc import Iterator

from relais.flows.engine import limits
from relais.flows.engine.conditions import parse_decimal
from relais.flows.engine.effects import WaitForReply
from relais.flows.engine.flow import Problem, Widget
from relais.flows.engine.inputs import Input, MessageReceived, SendResult, TimedOut
from relais.flows.engine.state import Waiting
from relais.flows.engine.step_context import StepContext, TakeTransition
from relais.flows.engine.values import storable_object
from relais.flows.engine.widgets.base import WidgetType
from relais.flows.engine.widgets.messages import THEIR_ADDRESS, Message, compose, problems_of, send
from relais.flows.engine.widgets.trigger import CONVERSATION_EVENT, conversation_variables

ERROR_OTHER_ADDRESS = "other_address"
CLIENT_TEMPLATES = (
    THEIR_ADDRESS,
    "{{trigger.message.From}}",
    "{{trigger.conversation.From}}",
    "{{trigger.request.to}}",
)
MAX_WAIT_SECONDS = int(limits.MAX_EXECUTION_AGE.total_seconds())


class SendAndWaitWidget(WidgetType):
    type = "send-and-wait-for-reply"
    events = ("incomingMessage", "timeout", "deliveryFailure")
    template_properties = ("body", "from", "to", "media_url", "content_sid", "attributes", "timeout")
    list_properties = ("content_variables",)
    expected_branches = ("timeout",)

    def enter(self, context: StepContext, widget: Widget) -> TakeTransition | None:
        to = context.text(widget, "to").strip()
        message = compose(context, widget, to=to or context.state["contact"])
        if message.refusal:
            return TakeTransition("deliveryFailure", {"outbound": message.outbound}, reason=message.refusal)
        if not message.effect.is_to_client:
            return self._refuse_recipient(context, widget, message)
        send(context, message)
        seconds = self._timeout_seconds(context, widget)
        until = context.wait("reply", seconds=seconds, outbound=message.outbound)
        context.add_effect(WaitForReply(widget.name, seconds, until))
        return None

    def resume(
        self, context: StepContext, widget: Widget, waiting: Waiting, input: Input
    ) -> TakeTransition | None:
        # The result of the message may have been recorded since the widget began to wait.
        current = context.state["waiting"] or waiting
        outbound = {"outbound": current["outbound"] or {}}
        if isinstance(input, MessageReceived):
            if context.state["event"] == CONVERSATION_EVENT:
                conversation = conversation_variables(input.params, context.now)
                context.state["trigger"] = {**context.state["trigger"], "conversation": conversation}
            return TakeTransition("incomingMessage", {**outbound, "inbound": storable_object(input.params)})
        if (
            isinstance(input, TimedOut)
            and waiting["until"] is not None
            and context.has_passed(waiting["until"])
        ):
            return TakeTransition("timeout", outbound)
        if isinstance(input, SendResult) and input.ref == waiting["ref"] and input.error_code:
            return TakeTransition("deliveryFailure", outbound, reason="The message was not delivered.")
        return None

    def _refuse_recipient(self, context: StepContext, widget: Widget, message: Message) -> TakeTransition:
        effect = message.effect
        context.warn(
            widget,
            f"The question was not asked: it would go from {effect.sender} to {effect.to}, "
            "whose reply does not come here. "
            "A send-message can write to others.",
        )
        error = {
            "Status": "failed",
            "ErrorCode": ERROR_OTHER_ADDRESS,
            "ErrorMessage": "not the client's conversation",
        }
        return TakeTransition("deliveryFailure", {"outbound": message.outbound | error})

    def problems(self, widget: Widget) -> Iterator[Problem]:
        yield from problems_of(widget)
        to = widget.text("to").strip()
        if to and to.replace(" ", "") not in CLIENT_TEMPLATES:
            problem = f"a question goes to the client and waits for him; to is “{to}”: remove it, or use a send-message"
            path = f"{widget.path}/properties/to"
            yield Problem("other_recipient", problem, widget.name, path, "warning")
        timeout = widget.text("timeout").strip()
        if "{" not in timeout and timeout and _wait_seconds(timeout) is None:
            problem = (
                f"timeout is “{timeout}”, so that {limits.DEFAULT_WAIT_SECONDS} counts: "
                f"write a number of seconds from 0 to {MAX_WAIT_SECONDS}"
            )
            path = f"{widget.path}/properties/timeout"
            yield Problem("bad_timeout", problem, widget.name, path, "warning")

    def _timeout_seconds(self, context: StepContext, widget: Widget) -> int:
        timeout = context.text(widget, "timeout").strip()
        seconds = _wait_seconds(timeout)
        if seconds is None and timeout:
            context.warn(
                widget, f"“{timeout}” is no time to wait; it is {limits.DEFAULT_WAIT_SECONDS} seconds then."
            )
        return limits.DEFAULT_WAIT_SECONDS if seconds is None else seconds


def _wait_seconds(timeout: str) -> int | None:
    seconds = parse_decimal(timeout)
    return int(seconds) if seconds is not None and 0 <= seconds <= MAX_WAIT_SECONDS else None


SEND_AND_WAIT = SendAndWaitWidget()
