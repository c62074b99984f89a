"""Messages of send-message and send-and-wait-for-reply: composes and validates them, and records their results."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from relais.flows.engine.effects import SendMessage
from relais.flows.engine.flow import Json, Problem, Widget
from relais.flows.engine.inputs import SendResult
from relais.flows.engine.limits import MAX_MESSAGE_CHARACTERS
from relais.flows.engine.step_context import StepContext

OUR_ADDRESS = "{{flow.channel.address}}"
THEIR_ADDRESS = "{{contact.channel.address}}"
ERROR_NO_RECIPIENT, ERROR_NO_BODY, ERROR_TOO_LONG = "21604", "21619", "21617"
TEMPLATE_TYPE, CUSTOM_TYPE = "content_template", "custom"
_CHANNEL = re.compile(r"\s*whatsapp\s*:", re.IGNORECASE)
_NUMBER = re.compile(r"(?:\+|00)?([0-9]{7,15})")
_FILLERS = re.compile(r"[\s().\-/]+")


@dataclass(frozen=True)
class Message:
    effect: SendMessage
    outbound: dict[str, Json]
    refusal: str
    """Why Twilio would refuse it, as far as that is known beforehand; else empty."""


def is_template(widget: Widget) -> bool:
    """Whether a WhatsApp template is sent. `custom` means a text, even if an earlier `content_sid` is still there."""
    message_type = widget.text("message_type").strip().lower()
    return message_type == TEMPLATE_TYPE or (
        message_type != CUSTOM_TYPE and bool(widget.text("content_sid").strip())
    )


def is_same_address(one: str, other: str) -> bool:
    """Whether two texts name the same address: a number may be written in several ways."""
    return _bare_number(one) == _bare_number(other)


def _bare_number(address: str) -> str:
    bare = _CHANNEL.sub("", address, count=1).strip()
    number = _NUMBER.fullmatch(_FILLERS.sub("", bare))
    return number[1] if number else bare


def compose(context: StepContext, widget: Widget, *, to: str) -> Message:
    template = is_template(widget)
    sender = context.text(widget, "from").strip() or context.state["channel"]
    is_to_client = is_same_address(to, context.state["contact"]) and is_same_address(
        sender, context.state["channel"]
    )
    effect = SendMessage(
        ref=context.ref,
        widget=widget.name,
        to=to,
        sender=sender,
        body="" if template else context.text(widget, "body"),
        media_url="" if template else context.text(widget, "media_url").strip(),
        content_sid=context.text(widget, "content_sid").strip() if template else "",
        content_variables=_variables(context, widget) if template else {},
        is_to_client=is_to_client,
    )
    code, refusal = _validation_error(effect)
    return Message(effect, _outbound(effect, code, refusal), refusal)


def send(context: StepContext, message: Message) -> None:
    context.frame["refs"][message.effect.widget] = message.effect.ref
    context.add_effect(message.effect)


def record_send_result(context: StepContext, result: SendResult) -> bool:
    """Add the result to the message's `outbound`, wherever the flow is by now. False if no message has that `ref`."""
    fields = {
        "Sid": result.sid,
        "Status": result.status or ("failed" if result.error_code else ""),
        "ErrorCode": result.error_code,
        "ErrorMessage": result.error_message,
    }
    fields = {key: value for key, value in fields.items() if value}
    waiting = context.state["waiting"]
    if waiting is not None and waiting["ref"] == result.ref and waiting["outbound"] is not None:
        context.state["waiting"] = {**waiting, "outbound": {**waiting["outbound"], **fields}}
        return True
    for frame in context.state["frames"]:
        for name, ref in frame["refs"].items():
            if ref == result.ref and "outbound" in frame["widgets"].get(name, {}):
                outputs = frame["widgets"][name]
                frame["widgets"][name] = {**outputs, "outbound": {**outputs["outbound"], **fields}}
                return True
    return False


def problems_of(widget: Widget) -> Iterator[Problem]:
    """Problems of the message itself."""
    needed = ("content_sid",) if is_template(widget) else ("body", "media_url")
    if not any(widget.text(name).strip() for name in needed):
        problem = f"the message says nothing: fill in {' or '.join(needed)}"
        path = f"{widget.path}/properties/{needed[0]}"
        yield Problem("no_property", problem, widget.name, path, "warning")
    sender = widget.text("from").strip()
    if sender and "{" not in sender:
        problem = f"from is always {sender}, whatever number the client wrote to: write {OUR_ADDRESS} instead"
        yield Problem("other_sender", problem, widget.name, f"{widget.path}/properties/from", "warning")


def _variables(context: StepContext, widget: Widget) -> dict[str, str]:
    # Exports write a key as its placeholder, {{1}}.
    pairs = [(key.strip().strip("{}").strip(), value) for key, value in widget.pairs("content_variables")]
    return {key: context.render(value, widget) for key, value in pairs if key}


def _validation_error(effect: SendMessage) -> tuple[str, str]:
    if not effect.to:
        return ERROR_NO_RECIPIENT, "The message is for nobody."
    if not (effect.body.strip() or effect.media_url or effect.content_sid):
        return ERROR_NO_BODY, "The message has neither text nor media."
    if len(effect.body.strip()) > MAX_MESSAGE_CHARACTERS:
        return ERROR_TOO_LONG, f"The message has more than {MAX_MESSAGE_CHARACTERS} characters."
    return "", ""


def _outbound(effect: SendMessage, error_code: str, error_message: str) -> dict[str, Json]:
    return {
        "Sid": "",
        "Status": "failed" if error_code else "queued",
        "Body": effect.body,
        "From": effect.sender,
        "To": effect.to,
        "Direction": "outbound-api",
        "NumMedia": "1" if effect.media_url else "0",
        "NumSegments": "1",
        "ErrorCode": error_code,
        "ErrorMessage": error_message,
    }
