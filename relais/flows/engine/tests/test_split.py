"""split-based-on: which transition is followed."""

import pytest

from relais.flows.engine.tests.harness import FlowHarness, flow_of, say


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("1", "Véhicules"),
        (" VÉHICULES ", "Véhicules"),
        ("1.", "Véhicules"),  # the condition's argument has a filter that the input lacks
        ("fatou", "Véhicules"),  # the value is Liquid
        ("2", "Atelier"),
        ("2 Vip", "Atelier VIP"),  # several conditions: all of them
        ("vip", "Je n’ai pas compris."),
    ],
)
def test_a_menu_follows_the_matching_transition(reply, expected):
    assert FlowHarness("split-based-on").starts().receives(reply).texts[0] == expected


def test_a_match_without_a_target_ends_the_flow():
    assert FlowHarness("split-based-on").starts().receives("  ").ended == "completed"


def test_no_match_repeats_the_question():
    harness = FlowHarness("split-based-on").starts().receives("peut-être")
    assert harness.texts == ["Je n’ai pas compris.", "1. Véhicules 2. Atelier"]
    assert harness.receives("1").ended == "completed"


def split(type_, value, argument="{{trigger.message.Body}}"):
    condition = {"type": type_, "value": value, "arguments": [argument]}
    to = [{"event": "noMatch", "next": "no"}, {"event": "match", "next": "yes", "conditions": [condition]}]
    return flow_of(("split", "split-based-on", {"input": "x"}, to), say("yes", "yes"), say("no", "no"))


def test_without_arguments_the_input_is_compared():
    flow = split("equal_to", "x")
    flow["states"][1]["transitions"][1]["conditions"][0]["arguments"] = []
    assert FlowHarness(flow).starts("y").texts == ["yes"]


def test_an_invalid_expression_matches_nothing_with_a_warning():
    harness = FlowHarness(split("regex", "(?=a")).starts("a")
    assert harness.texts == ["no"] and "(?=a" in harness.warnings[0]


def test_an_unknown_condition_matches_nothing_with_a_warning():
    harness = FlowHarness(split("sounds_like", "a")).starts("a")
    assert harness.texts == ["no"] and "sounds_like" in harness.warnings[0]


def test_json_booleans_compare_as_text():
    flow = flow_of(
        ("call", "make-http-request", {"method": "GET", "url": "https://x.example"}, {"success": "split"}),
        (
            "split",
            "split-based-on",
            {"input": "{{widgets.call.parsed.agent_mode}}"},
            [
                {
                    "event": "match",
                    "next": "yes",
                    "conditions": [
                        {
                            "type": "equal_to",
                            "value": "true",
                            "arguments": ["{{widgets.call.parsed.agent_mode}}"],
                        }
                    ],
                }
            ],
        ),
        say("yes", "yes"),
    )
    assert FlowHarness(flow).starts().responds({"agent_mode": True}).texts == ["yes"]
    assert FlowHarness(flow).starts().responds({"agent_mode": "true"}).texts == ["yes"]
    nowhere = FlowHarness(flow).starts().responds({"agent_mode": False})
    assert nowhere.ended == "completed" and "noMatch" in nowhere.warnings[0]
