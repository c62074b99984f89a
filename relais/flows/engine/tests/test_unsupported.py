"""Unsupported widgets: a problem at load time, the failure transition at run time."""

from relais.flows.engine.tests.harness import FlowHarness, fixture


def test_an_unsupported_widget_is_a_problem_with_its_path():
    first, second = fixture("unsupported").problems
    assert (first.state, first.path, first.code) == ("ring", "#/states/1/type", "unsupported_widget")
    assert "connect-call-to" in first.message
    assert second.state == "pilot"


def test_an_unsupported_widget_takes_its_failure_transition():
    harness = FlowHarness("unsupported").starts()
    assert "connect-call-to" in harness.warnings[0] and "hangup" in harness.warnings[0]
    assert harness.texts == ["Nous vous écrirons."]
