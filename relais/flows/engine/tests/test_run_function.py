"""run-function: like a request, by URL or name."""

from relais.flows.engine import RunFunction
from relais.flows.engine.tests.stage import Stage, flow_of


def test_its_parameters_and_its_answer():
    stage = Stage("run-function").starts("duster")
    assert stage.effects == (
        RunFunction(2, "price", "https://price.example/quote", (("model", "duster"),), "ZH0123"),
    )
    assert stage.asked.as_request().body == "model=duster"
    stage.answered({"price": 18500}, headers={"X-Twilio-Function-Concurrency": "3"})
    assert stage.texts == ["18500 3"]


def test_a_redirect_is_a_success_and_is_not_followed():
    stage = Stage("run-function").starts()
    assert stage.asked.as_request().follow_redirects is False
    assert stage.answered({"price": 18500}, status=302).texts == ["18500 "]


def test_it_is_signed():
    request = Stage("run-function").starts().asked.as_request()
    assert request.authentication == "twilio_signature"


def test_a_key_that_is_there_twice_is_sent_twice():
    parameters = [{"key": "tag", "value": "a"}, {"key": "tag", "value": "b"}]
    properties = {"url": "https://x.example/f", "parameters": parameters}
    stage = Stage(flow_of(("run", "run-function", properties, {"success": None, "fail": None}))).starts()
    assert stage.asked.as_request().body == "tag=a&tag=b"


def test_its_failures():
    assert Stage("run-function").starts().answered({}, status=404).texts == ["Prix inconnu 404"]
    assert Stage("run-function").starts().unanswered().texts == ["Prix inconnu "]
