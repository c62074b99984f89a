"""Any other widget: named when the flow is loaded, its failure when it is reached."""

from relais.flows.engine.tests.stage import Stage, fixture


def test_it_is_named_with_its_place():
    first, second = fixture("unsupported").problems
    assert (first.state, first.path, first.code) == ("ring", "#/states/1/type", "unsupported_widget")
    assert "connect-call-to" in first.message
    assert second.state == "pilot"


def test_it_takes_its_failure():
    stage = Stage("unsupported").starts()
    assert "connect-call-to" in stage.warnings[0] and "hangup" in stage.warnings[0]
    assert stage.texts == ["Nous vous écrirons."]
