"""What send-message and send-and-wait-for-reply share: the message, what is known of it, what became of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from relais.flows.engine.effects import Say
from relais.flows.engine.flow import Json, Problem, Widget
from relais.flows.engine.inputs import Said
from relais.flows.engine.limits import MESSAGE_CHARACTERS
from relais.flows.engine.step_context import Run

OUR_ADDRESS = "{{flow.channel.address}}"
THEIR_ADDRESS = "{{contact.channel.address}}"
NO_RECIPIENT, NO_BODY, TOO_LONG = "21604", "21619", "21617"
TEMPLATE, CUSTOM = "content_template", "custom"
_CHANNEL = re.compile(r"\s*whatsapp\s*:", re.IGNORECASE)
_NUMBER = re.compile(r"(?:\+|00)?([0-9]{7,15})")
_FILLERS = re.compile(r"[\s().\-/]+")


@dataclass(frozen=True)
class Message:
    say: Say
    outbound: dict[str, Json]
    refusal: str
    """Why Twilio would not take it, which is known without asking; else empty."""


def is_template(widget: Widget) -> bool:
    """Whether a template is sent. `custom` says that none is, whatever a template chosen before has left behind."""
    kind = widget.text("message_type").strip().lower()
    return kind == TEMPLATE or (kind != CUSTOM and bool(widget.text("content_sid").strip()))


def is_same_address(one: str, other: str) -> bool:
    """Whether two texts name the same address, as a number may be written in several ways."""
    return _bare(one) == _bare(other)


def _bare(address: str) -> str:
    bare = _CHANNEL.sub("", address, count=1).strip()
    number = _NUMBER.fullmatch(_FILLERS.sub("", bare))
    return number[1] if number else bare


def compose(run: Run, widget: Widget, *, to: str) -> Message:
    template = is_template(widget)
    sender = run.text(widget, "from").strip() or run.state["channel"]
    is_to_client = is_same_address(to, run.state["contact"]) and is_same_address(sender, run.state["channel"])
    say = Say(
        ref=run.ref,
        widget=widget.name,
        to=to,
        sender=sender,
        body="" if template else run.text(widget, "body"),
        media_url="" if template else run.text(widget, "media_url").strip(),
        content_sid=run.text(widget, "content_sid").strip() if template else "",
        content_variables=_variables(run, widget) if template else {},
        is_to_client=is_to_client,
    )
    code, refusal = _refusal(say)
    return Message(say, _outbound(say, code, refusal), refusal)


def send(run: Run, message: Message) -> None:
    run.frame["refs"][message.say.widget] = message.say.ref
    run.do(message.say)


def note_outcome(run: Run, said: Said) -> bool:
    """Fills what is known of a message with what Twilio answered, wherever the flow is by now."""
    known = {
        "Sid": said.sid,
        "Status": said.status or ("failed" if said.error_code else ""),
        "ErrorCode": said.error_code,
        "ErrorMessage": said.error_message,
    }
    known = {key: value for key, value in known.items() if value}
    waiting = run.state["waiting"]
    if waiting is not None and waiting["ref"] == said.ref and waiting["outbound"] is not None:
        run.state["waiting"] = {**waiting, "outbound": {**waiting["outbound"], **known}}
        return True
    for frame in run.state["frames"]:
        for name, ref in frame["refs"].items():
            if ref == said.ref and "outbound" in frame["widgets"].get(name, {}):
                outputs = frame["widgets"][name]
                frame["widgets"][name] = {**outputs, "outbound": {**outputs["outbound"], **known}}
                return True
    return False


def problems_of(widget: Widget) -> Iterator[Problem]:
    """What is wrong with the message itself."""
    needed = ("content_sid",) if is_template(widget) else ("body", "media_url")
    if not any(widget.text(name).strip() for name in needed):
        said = f"the message says nothing: fill in {' or '.join(needed)}"
        path = f"{widget.path}/properties/{needed[0]}"
        yield Problem("no_property", said, widget.name, path, "warning")
    sender = widget.text("from").strip()
    if sender and "{" not in sender:
        said = f"from is always {sender}, whatever number the client wrote to: write {OUR_ADDRESS} instead"
        yield Problem("other_sender", said, widget.name, f"{widget.path}/properties/from", "warning")


def _variables(run: Run, widget: Widget) -> dict[str, str]:
    # A key is written as the placeholder it fills, {{1}}.
    pairs = [(key.strip().strip("{}").strip(), value) for key, value in widget.pairs("content_variables")]
    return {key: run.render(value, widget) for key, value in pairs if key}


def _refusal(say: Say) -> tuple[str, str]:
    if not say.to:
        return NO_RECIPIENT, "The message is for nobody."
    if not (say.body.strip() or say.media_url or say.content_sid):
        return NO_BODY, "The message has neither text nor media."
    if len(say.body.strip()) > MESSAGE_CHARACTERS:
        return TOO_LONG, f"The message has more than {MESSAGE_CHARACTERS} characters."
    return "", ""


def _outbound(say: Say, error_code: str, error_message: str) -> dict[str, Json]:
    return {
        "Sid": "",
        "Status": "failed" if error_code else "queued",
        "Body": say.body,
        "From": say.sender,
        "To": say.to,
        "Direction": "outbound-api",
        "NumMedia": "1" if say.media_url else "0",
        "NumSegments": "1",
        "ErrorCode": error_code,
        "ErrorMessage": error_message,
    }
