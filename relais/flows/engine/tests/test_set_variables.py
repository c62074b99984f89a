"""set-variables: the types of values."""

import pytest

from relais.flows.engine.tests.harness import FlowHarness, flow_of, say
from relais.flows.engine.values import number_or_text


def test_a_counter_is_a_number():
    harness = FlowHarness("set-variables").starts()
    assert harness.texts == ["1//0612345678/12.5/gold/13.5"]
    assert harness.receives("encore").texts == ["2/1/0612345678/12.5/gold/13.5"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        (" -2 ", -2),
        ("0", 0),
        ("1.50", 1.5),
        ("0612", "0612"),
        ("+212600", "+212600"),
        ('"1"', '"1"'),
        ("1e3", "1e3"),
        ("true", "true"),
        ("", ""),
        ("1234567890123456", "1234567890123456"),
        (" deux mots ", " deux mots "),
    ],
)
def test_untyped_texts_become_numbers_or_texts(text, value):
    value_set = number_or_text(text)
    assert value_set == value and type(value_set) is type(value)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("string", "75001", "75001"),
        ("string", "1.50", "1.50"),
        ("string", "true", "true"),
        ("string", '{"a": 1}', '{"a": 1}'),
        ("number", "75001", 75001),
        ("number", " 1.50 ", 1.5),
        ("boolean", "True", True),
        ("boolean", "false", False),
        ("json_object", '{"id": 7, "client": {"name": "Awa"}}', {"id": 7, "client": {"name": "Awa"}}),
        ("json_array", "[1, 2]", [1, 2]),
        ("", "75001", 75001),
        ("later_type", "75001", "75001"),
    ],
)
def test_a_value_is_converted_to_its_type(type_, text, value):
    variables = {"variables": [{"key": "a", "type": type_, "value": text}]}
    harness = FlowHarness(flow_of(("set", "set-variables", variables, {"next": None}))).starts()
    value_set = harness.state["frames"][0]["variables"]["a"]
    assert value_set == value and type(value_set) is type(value)
    assert harness.warnings == []


@pytest.mark.parametrize("type_", ["number", "boolean", "json_object"])
def test_a_value_of_another_type_stays_a_text_with_a_warning(type_):
    variables = {"variables": [{"key": "a", "type": type_, "value": "douze {"}]}
    harness = FlowHarness(flow_of(("set", "set-variables", variables, {"next": None}))).starts()
    assert harness.state["frames"][0]["variables"] == {"a": "douze {"}
    assert "a is not" in harness.warnings[0]


def test_invalid_json_stays_a_text():
    variables = [
        {"key": "bad", "value": "{oops", "parse_as_json": True},
        {"key": "list", "value": "[1, 2]", "parse_as_json": "true"},
        {"key": "yes", "value": "true", "parse_as_json": True},
        {"key": "none", "value": None},
    ]
    body = "{{flow.variables.bad}}|{{flow.variables.list[1]}}|{{flow.variables.yes}}|{{flow.variables.none}}|"
    harness = FlowHarness(
        flow_of(("set", "set-variables", {"variables": variables}, {"next": "show"}), say("show", body))
    )
    assert harness.starts().texts == ["{oops|2|true||"]
    assert "bad" in harness.warnings[0]
