"""send-to-flex and enqueue-call: both ask for an agent, and the flow goes on."""

import pytest

from relais.flows.engine import AskForAgent
from relais.flows.engine.tests.harness import FlowHarness


def test_send_to_flex_asks_for_an_agent_with_its_attributes():
    harness = FlowHarness("send-to-flex").starts("atelier")
    attributes = {"name": "Fatou", "menu": {"choice": "atelier"}}
    assert harness.effects[0] == AskForAgent(2, "agent", attributes, "WW0123", "5")
    assert harness.texts == ["Un conseiller arrive (5)."]


def test_enqueue_call_does_the_same():
    harness = FlowHarness("enqueue-call").starts("atelier")
    assert harness.effects[0] == AskForAgent(2, "agent", {"why": "atelier"}, "WW0123", "5")
    assert harness.texts == ["Un conseiller arrive."]


@pytest.mark.parametrize("name", ['Fatou "la belle"', "a\nb"])
def test_invalid_json_in_the_attributes_still_asks_for_an_agent(name):
    harness = FlowHarness("send-to-flex").starts(ProfileName=name)
    assert any(isinstance(effect, AskForAgent) for effect in harness.effects)
    assert "attributes" in harness.warnings[0]
