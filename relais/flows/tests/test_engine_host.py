"""The engine host: results of effects are fed back at once, and simulated time fires each time-out when it is due."""

from datetime import timedelta

from relais.flows.engine import ExecutionContext, RequestResult, SendMessage, Trigger, due_at, parse
from relais.flows.engine.tests.harness import DESK, FATOU, NOON, flow_of, say, webhook
from relais.flows.engine_host import EffectHandler, SimulatedExecution

REQUEST = {"method": "GET", "url": "https://crm.example/"}


class RecordingHandler(EffectHandler):
    """Answers each request at once, unless `responds` is off; records the rest."""

    def __init__(self, *, responds=True):
        self.responds, self.texts, self.steps, self.warnings, self.end_reason = responds, [], 0, [], None

    def step_done(self, state, effects):
        self.steps += 1

    def send_message(self, effect: SendMessage):
        self.texts.append(effect.body)

    def make_request(self, effect):
        if self.responds:
            return RequestResult(effect.ref, status=200, content_type="application/json", body='{"a": 1}')
        return None

    def record_warning(self, effect):
        self.warnings.append(effect.message)

    def end_execution(self, effect):
        self.end_reason = effect.reason


def started(definition, handler):
    flow = parse(definition)
    execution = SimulatedExecution(flow, handler, NOON, {})
    execution.start(Trigger.message(webhook("bonjour")), ExecutionContext("FN1", "FW1", FATOU, DESK))
    return execution


def two_requests():
    return flow_of(
        ("first", "make-http-request", REQUEST, {"success": "second", "failed": None}),
        ("second", "make-http-request", REQUEST, {"success": "tell", "failed": None}),
        say("tell", "{{widgets.first.parsed.a}}{{widgets.second.parsed.a}}"),
    )


def test_results_are_fed_back_until_the_flow_ends():
    handler = RecordingHandler()
    execution = started(two_requests(), handler)
    assert (handler.texts, handler.steps, handler.end_reason) == (["11"], 3, "completed")
    assert execution.end_reason == "completed"


def test_without_a_result_the_flow_waits():
    handler = RecordingHandler(responds=False)
    execution = started(two_requests(), handler)
    assert (handler.texts, handler.steps, execution.end_reason) == ([], 1, None)


def question(name, next_):
    return (name, "send-and-wait-for-reply", {"body": name, "timeout": 10}, {"timeout": next_})


def test_simulated_time_fires_each_time_out_when_it_is_due():
    handler = RecordingHandler()
    execution = started(flow_of(question("a", "b"), question("b", "a")), handler)
    execution.advance_time(timedelta(seconds=25))
    assert handler.texts == ["a", "b", "a"]
    assert execution.now == NOON + timedelta(seconds=25)
    assert due_at(execution.state) == NOON + timedelta(seconds=30)


def test_the_clock_stops_when_the_flow_ends():
    handler = RecordingHandler()
    execution = started(flow_of(question("a", None)), handler)
    execution.advance_time(timedelta(hours=1))
    assert (execution.end_reason, execution.now) == ("completed", NOON + timedelta(seconds=10))
