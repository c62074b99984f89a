"""trigger: where a flow begins, and what templates see of the message, request or parent that began it."""

from collections.abc import Iterator

from relais.flows.engine.flow import Json, Problem, Widget
from relais.flows.engine.inputs import STARTS, Context, Trigger
from relais.flows.engine.run import Done, Run
from relais.flows.engine.values import object_of, plain_object
from relais.flows.engine.widgets.kind import Kind

NOT_HERE = ("incomingCall", "incomingConversationMessage")
PARSED = ("ChannelAttributes", "AddOns")


class TriggerKind(Kind):
    type = "trigger"
    events = (*STARTS, *NOT_HERE)

    def enter(self, run: Run, widget: Widget) -> Done:
        event = "incomingParent" if run.in_subflow else run.state["event"]
        return Done(event, why="The flow is not made for this start.")

    def problems(self, widget: Widget) -> Iterator[Problem]:
        for transition in widget.transitions:
            if transition.event in NOT_HERE and transition.next:
                said = f"a flow is not started by {transition.event} here; only by {', '.join(STARTS)}"
                yield Problem("unsupported_trigger", said, widget.name, transition.path, "warning")


def names_of(trigger: Trigger, context: Context) -> dict[str, Json]:
    params = plain_object(trigger.params)
    if trigger.event == "incomingMessage":
        return {"message": {**params, **_parsed(params)}}
    if trigger.event == "incomingParent":
        return {"parent": {"parameters": params}}
    return {"request": {"from": context.channel, "to": context.contact, "parameters": params}}


def data_of(trigger: Trigger) -> dict[str, Json]:
    return plain_object(trigger.params) if trigger.event == "incomingRequest" else {}


def _parsed(params: dict[str, Json]) -> dict[str, Json]:
    texts = {name: params[name] for name in PARSED if isinstance(params.get(name), str)}
    return {name: found for name, text in texts.items() if (found := object_of(text)) is not None}


TRIGGER = TriggerKind()
