"""trigger: the events that start a flow, and their template variables."""

import pytest

from relais.flows.engine import Trigger, UnsupportedTrigger, parse
from relais.flows.engine.tests.harness import FATOU, NOON, FlowHarness, say, webhook


def test_the_trigger_message_is_the_webhook_unchanged():
    harness = FlowHarness("trigger").starts(WaId="212600000001", ChannelAttributes='{"from": "Awa"}')
    assert harness.texts == ["Bonjour Fatou (212600000001), Awa"]
    assert harness.ended == "completed"


def test_request_parameters_are_in_trigger_and_flow_data():
    harness = FlowHarness("trigger").starts(trigger=Trigger.request({"name": "Awa", "when": "lundi"}))
    assert harness.texts == ["Rappel pour Awa : lundi, de whatsapp:+14155238886 à whatsapp:+212600000001"]


def test_a_parent_passes_its_parameters():
    harness = FlowHarness("trigger").starts(trigger=Trigger("incomingParent", {"name": "Awa"}))
    assert harness.texts == ["Sous Awa"]


def started_by(first, *states):
    """A flow whose trigger has transitions for these events only."""
    events = ("incomingMessage", "incomingConversationMessage", "incomingRequest", "incomingParent")
    to = [{"event": event, **({"next": first[event]} if event in first else {})} for event in events]
    trigger = {"name": "Trigger", "type": "trigger", "properties": {}, "transitions": to}
    rest = [
        {
            "name": n,
            "type": k,
            "properties": p,
            "transitions": [{"event": e, "next": t} for e, t in way.items()],
        }
        for n, k, p, way in states
    ]
    return parse({"states": [trigger, *rest], "initial_state": "Trigger"})


def by_message(flow, body="bonjour", **more):
    trigger = Trigger.message(webhook(body, **more), event=flow.message_trigger_event)
    return FlowHarness(flow).starts(trigger=trigger)


def test_a_message_starts_a_flow_made_for_conversations():
    body = (
        "{{trigger.conversation.From}} {{trigger.conversation.Author}} {{trigger.conversation.Body}} "
        "{{trigger.conversation.ConversationSid}}{{trigger.conversation.ChannelAttributes.from}} "
        "{{trigger.conversation.DateCreated}}"
    )
    flow = started_by({"incomingConversationMessage": "hello"}, say("hello", body))
    assert flow.message_trigger_event == "incomingConversationMessage"
    harness = by_message(flow, ChannelAttributes='{"from": "Awa"}')
    assert harness.texts == [f"{FATOU} {FATOU} bonjour Awa {NOON.isoformat()}"]


def test_a_reply_replaces_the_message_in_a_conversation():
    flow = started_by(
        {"incomingConversationMessage": "ask"},
        ("ask", "send-and-wait-for-reply", {"body": "Votre nom ?"}, {"incomingMessage": "tell"}),
        say("tell", "{{trigger.conversation.Body}} = {{widgets.ask.inbound.Body}}"),
    )
    assert by_message(flow).receives("Awa").texts == ["Awa = Awa"]


def test_incoming_message_wins_if_both_are_connected():
    flow = started_by(
        {"incomingMessage": "a", "incomingConversationMessage": "b"},
        say("a", "message {{trigger.message.Body}}"),
        say("b", "conversation"),
    )
    assert by_message(flow).texts == ["message bonjour"]


def test_a_flow_for_requests_is_not_started_by_a_message_and_warns():
    flow = started_by({"incomingRequest": "a"}, say("a", "x"))
    assert flow.message_trigger_event == ""
    harness = by_message(flow)
    assert harness.ended == "completed"
    assert "incomingMessage, only by incomingRequest" in harness.warnings[0]


@pytest.mark.parametrize("event", ["incomingCall", "sunrise"])
def test_any_other_trigger_event_is_refused_by_name(event):
    with pytest.raises(UnsupportedTrigger, match=event):
        Trigger(event, {})


def test_a_flow_without_the_trigger_event_ends_with_a_warning():
    harness = FlowHarness("subflow").starts()
    assert harness.ended == "completed"
    assert "incomingMessage" in harness.warnings[0]
