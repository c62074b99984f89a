"""run-subflow: another flow within the execution, one level deep."""

from relais.flows.engine import parse
from relais.flows.engine.tests.harness import FlowHarness, fixture, flow_of, say

SID = "FW00000000000000000000000000000001"


def parent():
    return FlowHarness("run-subflow", flows={SID: fixture("subflow")})


def test_a_sub_flow_runs_and_returns_its_variables():
    harness = parent().starts("salut")
    assert harness.texts == ["Bonjour Fatou ! Votre nom ? (salut)"]
    assert len(harness.state["frames"]) == 2
    assert harness.receives("Awa").texts == ["Awa, 41 ans, sans ."]
    assert harness.ended == "completed"


def test_a_import_limits_its_sub_flows():
    assert fixture("run-subflow").subflows() == {SID}


def test_parameters_have_the_types_of_the_export():
    parameters = [
        {"key": "o", "type": "json_object", "value": '{"a": 7}'},
        {"key": "j", "parse_as_json": True, "value": "[8]"},
        {"key": "n", "type": "number", "value": "9"},
        {"key": "s", "type": "string", "value": "75001"},
        {"key": "zip", "value": "75002"},
    ]
    to = {"completed": "back", "failed": None}
    above = flow_of(
        ("sub", "run-subflow", {"flow_sid": SID, "parameters": parameters}, to),
        say("back", "back {{widgets.sub.foo}}"),
    )
    body = "{{trigger.parent.parameters.o.a}} {{trigger.parent.parameters.j[0]}} {{trigger.parent.parameters.n | plus: 1}}"
    texts = "{% if trigger.parent.parameters.s == '75001' and trigger.parent.parameters.zip == '75002' %} texts{% endif %}"
    subflow = parse(
        flow_of(
            say("c", body + texts, "set"),
            ("set", "set-variables", {"variables": [{"key": "foo", "type": "string", "value": "bar"}]}, {}),
        )
    )
    assert FlowHarness(above, flows={SID: subflow}).starts().texts == ["7 8 10 texts", "back bar"]


def test_a_missing_sub_flow_fails():
    harness = FlowHarness("run-subflow").starts()
    assert harness.texts == ["Plus tard."]
    assert SID in harness.warnings[0]


def test_a_sub_flow_cannot_run_another():
    to = {"completed": None, "failed": "no"}
    subflow = parse(flow_of(("deeper", "run-subflow", {"flow_sid": SID}, to), say("no", "Pas plus bas.")))
    harness = FlowHarness("run-subflow", flows={SID: subflow}).starts()
    assert "sub-flow" in harness.warnings[0]
    assert harness.texts[0] == "Pas plus bas."
    assert harness.ended == "completed"


def test_a_sub_flow_that_is_removed_while_it_waits_fails():
    harness = parent().starts()
    harness.flows = {}
    assert harness.receives("Awa").texts == ["Plus tard."]


def test_a_question_of_a_sub_flow_times_out():
    harness = parent().starts().time_passes(3600)
    assert harness.texts == [",  ans, sans ."]
    assert harness.ended == "completed"
