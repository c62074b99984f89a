"""trigger: what starts a flow, and what templates see of it."""

import pytest

from relais.flows.engine import RefusedTrigger, Trigger
from relais.flows.engine.tests.stage import Stage


def test_a_message_is_seen_as_the_webhook_brought_it():
    stage = Stage("trigger").starts(WaId="212600000001", ChannelAttributes='{"from": "Awa"}')
    assert stage.texts == ["Bonjour Fatou (212600000001), Awa"]
    assert stage.ended == "completed"


def test_a_request_brings_its_parameters_twice():
    stage = Stage("trigger").starts(trigger=Trigger.request({"name": "Awa", "when": "lundi"}))
    assert stage.texts == ["Rappel pour Awa : lundi, de whatsapp:+14155238886 à whatsapp:+212600000001"]


def test_a_parent_brings_its_parameters():
    stage = Stage("trigger").starts(trigger=Trigger("incomingParent", {"name": "Awa"}))
    assert stage.texts == ["Sous Awa"]


@pytest.mark.parametrize("event", ["incomingCall", "incomingConversationMessage", "sunrise"])
def test_any_other_start_is_refused_by_name(event):
    with pytest.raises(RefusedTrigger, match=event):
        Trigger(event, {})


def test_a_flow_that_is_not_made_for_the_start_ends_and_says_so():
    stage = Stage("subflow").starts()
    assert stage.ended == "completed"
    assert "incomingMessage" in stage.warnings[0]
