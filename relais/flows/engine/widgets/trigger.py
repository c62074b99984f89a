"""trigger: where a flow begins, and what templates see of the message, request or parent that began it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from relais.flows.engine.flow import MESSAGE_STARTS, Json, Problem, Widget
from relais.flows.engine.inputs import STARTS, Context, Trigger
from relais.flows.engine.step_context import Done, Run
from relais.flows.engine.values import object_of, plain_object
from relais.flows.engine.widgets.base import Kind

CONVERSATION = "incomingConversationMessage"
NOT_HERE = ("incomingCall",)
PARSED = ("ChannelAttributes", "AddOns")


class TriggerKind(Kind):
    type = "trigger"
    events = (*STARTS, *NOT_HERE)

    def enter(self, run: Run, widget: Widget) -> Done:
        event = "incomingParent" if run.in_subflow else run.state["event"]
        others = [transition.event for transition in widget.transitions if transition.next]
        known = f"only by {' or '.join(others)}" if others else "and by nothing else"
        return Done(event, why=f"This flow is not started by {event}, {known}.")

    def problems(self, widget: Widget) -> Iterator[Problem]:
        for transition in widget.transitions:
            if transition.event in NOT_HERE and transition.next:
                said = f"a flow is not started by {transition.event} here: what follows is never run"
                yield Problem("unsupported_trigger", said, widget.name, transition.path, "warning")
        message, conversation = (widget.on(event) for event in MESSAGE_STARTS)
        if message and conversation and message.next and conversation.next not in (None, message.next):
            said = f"{CONVERSATION} is not taken here: a client's message takes incomingMessage, which leads elsewhere"
            yield Problem("unsupported_trigger", said, widget.name, conversation.path, "warning")


def names_of(trigger: Trigger, context: Context, now: datetime) -> dict[str, Json]:
    params = plain_object(trigger.params)
    if trigger.event == "incomingMessage":
        return {"message": {**params, **_parsed(params)}}
    if trigger.event == CONVERSATION:
        return {"conversation": conversation_of(params, now)}
    if trigger.event == "incomingParent":
        return {"parent": {"parameters": params}}
    return {"request": {"from": context.channel, "to": context.contact, "parameters": params}}


def conversation_of(message: Mapping[str, Any], now: datetime) -> dict[str, Json]:
    """A message as Twilio's Conversations tells of it; the SIDs that only they have are empty."""
    params = plain_object(message)
    own = {
        "ConversationSid": "",
        "ChannelSid": "",
        "MessagingServiceSid": "",
        "Author": params.get("From", ""),
        "Source": "whatsapp",
        "DateCreated": now.isoformat(),
        "ChannelAttributes": {},
    }
    return {**own, **params, **_parsed(params)}


def data_of(trigger: Trigger) -> dict[str, Json]:
    return plain_object(trigger.params) if trigger.event == "incomingRequest" else {}


def _parsed(params: dict[str, Json]) -> dict[str, Json]:
    texts = {name: params[name] for name in PARSED if isinstance(params.get(name), str)}
    return {name: found for name, text in texts.items() if (found := object_of(text)) is not None}


TRIGGER = TriggerKind()
