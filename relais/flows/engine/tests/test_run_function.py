"""run-function: like a request, by URL or name."""

from relais.flows.engine import RunFunction
from relais.flows.engine.tests.stage import Stage


def test_its_parameters_and_its_answer():
    stage = Stage("run-function").starts("duster")
    assert stage.effects == (
        RunFunction(2, "price", "https://price.example/quote", {"model": "duster"}, "ZH0123"),
    )
    assert stage.asked.as_request().body == "model=duster"
    stage.answered({"price": 18500}, headers={"X-Twilio-Function-Concurrency": "3"})
    assert stage.texts == ["18500 3"]


def test_its_failures():
    assert Stage("run-function").starts().answered({}, status=404).texts == ["Prix inconnu 404"]
    assert Stage("run-function").starts().unanswered().texts == ["Prix inconnu "]
