"""trigger: where a flow starts, and the template variables of the message, request or parent that started it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from relais.flows.engine.flow import MESSAGE_TRIGGER_EVENTS, Json, Problem, Widget
from relais.flows.engine.inputs import TRIGGER_EVENTS, ExecutionContext, Trigger
from relais.flows.engine.step_context import StepContext, TakeTransition
from relais.flows.engine.values import parse_json_object, storable_object
from relais.flows.engine.widgets.base import WidgetType

CONVERSATION_EVENT = "incomingConversationMessage"
UNSUPPORTED_EVENTS = ("incomingCall",)
JSON_PARAMS = ("ChannelAttributes", "AddOns")


class TriggerWidget(WidgetType):
    type = "trigger"
    events = (*TRIGGER_EVENTS, *UNSUPPORTED_EVENTS)

    def enter(self, context: StepContext, widget: Widget) -> TakeTransition:
        event = "incomingParent" if context.is_in_subflow else context.state["event"]
        connected_events = [transition.event for transition in widget.transitions if transition.next]
        started_by = f"only by {' or '.join(connected_events)}" if connected_events else "and by nothing else"
        return TakeTransition(event, reason=f"This flow is not started by {event}, {started_by}.")

    def problems(self, widget: Widget) -> Iterator[Problem]:
        for transition in widget.transitions:
            if transition.event in UNSUPPORTED_EVENTS and transition.next:
                problem = f"a flow is not started by {transition.event} here: what follows is never run"
                yield Problem("unsupported_trigger", problem, widget.name, transition.path, "warning")
        message, conversation = (widget.on(event) for event in MESSAGE_TRIGGER_EVENTS)
        if message and conversation and message.next and conversation.next not in (None, message.next):
            problem = (
                f"{CONVERSATION_EVENT} is not taken here: "
                "a client's message takes incomingMessage, which leads elsewhere"
            )
            yield Problem("unsupported_trigger", problem, widget.name, conversation.path, "warning")


def trigger_variables(trigger: Trigger, context: ExecutionContext, now: datetime) -> dict[str, Json]:
    """`trigger.*` as templates see it."""
    params = storable_object(trigger.params)
    if trigger.event == "incomingMessage":
        return {"message": {**params, **_parsed_json_params(params)}}
    if trigger.event == CONVERSATION_EVENT:
        return {"conversation": conversation_variables(params, now)}
    if trigger.event == "incomingParent":
        return {"parent": {"parameters": params}}
    return {"request": {"from": context.channel, "to": context.contact, "parameters": params}}


def conversation_variables(message: Mapping[str, Any], now: datetime) -> dict[str, Json]:
    """The message as Twilio's Conversations describes it; SIDs that only Conversations has are empty."""
    params = storable_object(message)
    defaults = {
        "ConversationSid": "",
        "ChannelSid": "",
        "MessagingServiceSid": "",
        "Author": params.get("From", ""),
        "Source": "whatsapp",
        "DateCreated": now.isoformat(),
        "ChannelAttributes": {},
    }
    return {**defaults, **params, **_parsed_json_params(params)}


def trigger_data(trigger: Trigger) -> dict[str, Json]:
    return storable_object(trigger.params) if trigger.event == "incomingRequest" else {}


def _parsed_json_params(params: dict[str, Json]) -> dict[str, Json]:
    texts = {name: params[name] for name in JSON_PARAMS if isinstance(params.get(name), str)}
    objects = {name: parse_json_object(text) for name, text in texts.items()}
    return {name: value for name, value in objects.items() if value is not None}


TRIGGER = TriggerWidget()
