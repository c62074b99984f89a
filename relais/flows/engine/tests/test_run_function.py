"""run-function: its request, response and failures."""

from relais.flows.engine import RunFunction
from relais.flows.engine.tests.harness import FlowHarness, flow_of


def test_parameters_are_sent_and_the_response_is_parsed():
    harness = FlowHarness("run-function").starts("duster")
    assert harness.effects == (
        RunFunction(2, "price", "https://price.example/quote", (("model", "duster"),), "ZH0123"),
    )
    assert harness.request.as_request().body == "model=duster"
    harness.responds({"price": 18500}, headers={"X-Twilio-Function-Concurrency": "3"})
    assert harness.texts == ["18500 3"]


def test_a_redirect_is_a_success_and_is_not_followed():
    harness = FlowHarness("run-function").starts()
    assert harness.request.as_request().follow_redirects is False
    assert harness.responds({"price": 18500}, status=302).texts == ["18500 "]


def test_it_is_signed():
    request = FlowHarness("run-function").starts().request.as_request()
    assert request.authentication == "twilio_signature"


def test_a_repeated_key_is_sent_twice():
    parameters = [{"key": "tag", "value": "a"}, {"key": "tag", "value": "b"}]
    properties = {"url": "https://x.example/f", "parameters": parameters}
    harness = FlowHarness(
        flow_of(("run", "run-function", properties, {"success": None, "fail": None}))
    ).starts()
    assert harness.request.as_request().body == "tag=a&tag=b"


def test_failures_take_the_fail_transition():
    assert FlowHarness("run-function").starts().responds({}, status=404).texts == ["Prix inconnu 404"]
    assert FlowHarness("run-function").starts().request_fails().texts == ["Prix inconnu "]
