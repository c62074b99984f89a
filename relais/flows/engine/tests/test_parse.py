"""Parsing definitions into flows or problems, and exporting them unchanged."""

import dataclasses
import json

import pytest

from relais.flows.engine import InvalidFlow, parse, unwrap
from relais.flows.engine.tests.harness import FIXTURES, FlowHarness, fixture, flow_of, say

NAMES = sorted(file.stem for file in FIXTURES.glob("*.json"))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "legacy"])
def test_a_flow_is_written_back_unchanged(name):
    text = (FIXTURES / f"{name}.json").read_text()
    assert json.dumps(parse(text).as_json(), ensure_ascii=False, indent=2) + "\n" == text


def test_unknown_keys_are_exported_unchanged():
    definition = flow_of(say("hello", "Bonjour"))
    definition |= {"x": {"y": [1, None]}, "states": [{**state, "z": 1} for state in definition["states"]]}
    definition["states"][1]["transitions"][0]["w"] = "w"
    assert parse(definition).as_json() == definition


def test_a_flow_is_frozen_and_independent_of_its_definition():
    definition = flow_of(say("hello", "Bonjour"))
    flow = parse(definition)
    definition["states"][1]["properties"]["body"] = "Adieu"
    flow.as_json()["states"][1]["properties"]["body"] = "Adieu"
    assert FlowHarness(flow).starts().texts == ["Bonjour"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        flow.initial = "x"


@pytest.mark.parametrize(
    ("definition", "code", "path"),
    [
        ("{", "not_json", "#"),
        ("[]", "not_a_flow", "#"),
        ("[" * 100_000, "not_json", "#"),
        ({"states": {}}, "not_a_flow", "#"),
        ({"states": []}, "no_initial_state", "#/initial_state"),
        ({"states": [], "initial_state": "T"}, "no_initial_state", "#/initial_state"),
        ({"states": [{"name": "T"}], "initial_state": "T"}, "bad_state", "#/states/0"),
        ({"states": [3], "initial_state": "T"}, "bad_state", "#/states/0"),
        (
            {"states": [{"name": "T", "type": "trigger"}] * 2, "initial_state": "T"},
            "duplicate_name",
            "#/states/1/name",
        ),
        (
            {"states": [{"name": "T", "type": "send-message"}], "initial_state": "T"},
            "no_initial_state",
            "#/initial_state",
        ),
    ],
)
def test_an_invalid_flow_has_problems_with_paths(definition, code, path):
    with pytest.raises(InvalidFlow) as raised:
        parse(definition)
    assert (raised.value.problems[0].code, raised.value.problems[0].path) == (code, path)


def api_answer(definition):
    return {"sid": "FW" + "2" * 32, "friendly_name": "Accueil", "revision": 3, "definition": definition}


@pytest.mark.parametrize("wrap", [
    api_answer,
    lambda flow: api_answer(json.dumps(flow)),
    lambda flow: json.dumps(api_answer(json.dumps(flow))),
    lambda flow: json.dumps([{"sid": "FW" + "2" * 32, "friendlyName": "Accueil", "definition": flow}]),
])  # fmt: skip
def test_a_response_of_twilios_api_or_cli_is_parsed(wrap):
    definition = flow_of(say("hello", "Bonjour"))
    flow, export = parse(wrap(definition)), unwrap(wrap(definition))
    assert (flow.as_json(), export.definition) == (definition, definition)
    assert (export.sid, export.friendly_name) == ("FW" + "2" * 32, "Accueil")


def test_a_bare_definition_has_no_sid_or_name():
    export = unwrap(json.dumps(flow_of(say("hello", "Bonjour"))))
    assert (export.sid, export.friendly_name) == ("", "")


@pytest.mark.parametrize(
    ("source", "code", "error"),
    [
        (api_answer("{"), "not_json", "answer of Twilio's API"),
        (api_answer(None), "not_a_flow", "no list of states"),
        (api_answer("[" * 100_000), "not_json", "API"),
        ([{}, {}], "not_a_flow", "one flow at a time"),
        ({"name": "a", "type": "split-based-on", "transitions": []}, "not_a_flow", "one state"),
    ],
)
def test_a_response_without_a_flow_is_an_error(source, code, error):
    with pytest.raises(InvalidFlow, match=error) as raised:
        parse(json.dumps(source))
    assert raised.value.problems[0].code == code


def test_the_smallest_flow_ends_at_once():
    flow = {"states": [{"name": "T", "type": "trigger"}], "initial_state": "T"}
    assert FlowHarness(flow).starts().ended == "completed"


def test_a_missing_target_ends_the_flow_with_a_warning():
    harness = FlowHarness(flow_of(say("hello", "Bonjour", "nowhere"))).starts()
    assert (harness.texts, harness.ended) == (["Bonjour"], "completed")
    assert "nowhere" in harness.warnings[0]


def test_the_legacy_format_becomes_the_current_one():
    flow = fixture("legacy")
    assert flow.initial == "Trigger"
    types = [widget.type for widget in flow.widgets.values()]
    assert types == [
        "trigger", "send-and-wait-for-reply", "split-based-on", "set-variables", "make-http-request", "send-message",
    ]  # fmt: skip
    again = flow.as_json()
    assert "FF0" not in json.dumps(again) and "uuid" not in json.dumps(again)
    assert parse(again).as_json() == again


def test_the_legacy_format_runs():
    harness = FlowHarness("legacy").starts()
    assert harness.receives("peut-être").texts == ["Oui ou non ?"]
    assert harness.receives("OUI").request.body == '{"yes": 1}'
    assert harness.responds({}).texts == ["Merci."]


def old(type_, name, properties, *transitions):
    return {"type": type_, "name": name, "properties": properties, "transitions": list(transitions)}


@pytest.mark.parametrize("start", ["InitialState", "trigger"])
def test_old_type_names_beside_an_initial_state(start):
    """As the first version of the API returns them: targets by name, old and new types mixed."""
    flow = parse(
        {
            "initial_state": "Trigger",
            "states": [
                old(start, "Trigger", {}, {"event": "incomingMessage", "next": "Ask"}),
                old("MessagePrompt", "Ask", {"body": "Oui ?"}, {"event": "incomingMessage", "next": "Flex"}),
                old("SendToFlex", "Flex", {"attributes": "{}"}, {"event": "callComplete", "next": None}),
                old("MakeHTTPRequest", "Call", {}),
                old("RunSubflow", "Below", {}),
            ],
        }
    )
    assert [widget.type for widget in flow.widgets.values()][1:] == [
        "send-and-wait-for-reply", "send-to-flex", "make-http-request", "run-subflow",
    ]  # fmt: skip
    harness = FlowHarness(flow).starts()
    assert harness.texts == ["Oui ?"]
    assert harness.receives("oui").ended == "completed"


def test_an_invalid_state_has_its_path_in_the_legacy_format_too():
    with pytest.raises(InvalidFlow) as raised:
        parse({"states": [old("InitialState", "Trigger", {}), 3]})
    assert [(p.code, p.path) for p in raised.value.problems] == [("bad_state", "#/states/1")]
