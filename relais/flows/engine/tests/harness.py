"""A test harness for flows: applies inputs, collects effects, sets the clock. Every state passes through JSON."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from relais.flows.engine import (
    EndExecution,
    ExecutionContext,
    MessageReceived,
    RecordWarning,
    RequestResult,
    SendMessage,
    SendResult,
    Started,
    TimedOut,
    Trigger,
    WaitForReply,
    due_at,
    parse,
    start,
    step,
)

FIXTURES = Path(__file__).parent / "fixtures"
NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
FATOU, DESK = "whatsapp:+212600000001", "whatsapp:+14155238886"
CONTEXT = ExecutionContext("FN1", "FW1", FATOU, DESK)


def fixture(name):
    return parse((FIXTURES / f"{name}.json").read_text())


def webhook(body, **more):
    return {"From": FATOU, "To": DESK, "Body": body, "NumMedia": "0", "ProfileName": "Fatou", **more}


class FlowHarness:
    def __init__(self, flow, *, flows=None, context=CONTEXT):
        self.flow = (
            fixture(flow) if isinstance(flow, str) else parse(flow) if isinstance(flow, dict) else flow
        )
        self.flows, self.context, self.now = flows or {}, context, NOON
        self.state, self.effects, self.all_effects = None, (), []

    def starts(self, body="bonjour", *, trigger=None, **more):
        trigger = trigger or Trigger.message(webhook(body, **more))
        self.state = start(self.flow, trigger=trigger, context=self.context, now=self.now)
        return self.apply(Started())

    def apply(self, input):
        before = json.dumps(self.state)
        after, self.effects = step(self.flow, self.state, input, now=self.now, flows=self.flows)
        assert json.dumps(self.state) == before
        self.state = json.loads(json.dumps(after))
        assert self.state == after
        self.all_effects += self.effects
        return self

    def receives(self, body, **more):
        return self.apply(MessageReceived(webhook(body, **more)))

    def responds(self, json_=None, *, status=200, body=None, content_type=None, **more):
        body = json.dumps(json_) if body is None else body
        content_type = content_type or ("application/json" if json_ is not None else "text/plain")
        return self.apply(RequestResult(self.request.ref, status, content_type, body, **more))

    def request_fails(self, reason="time-out"):
        return self.apply(RequestResult.failed(self.request.ref, reason))

    def send_result(self, **outcome):
        return self.apply(SendResult(self.messages[-1].ref, **outcome))

    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)
        return self.apply(TimedOut())

    @property
    def request(self):
        return next(effect for effect in reversed(self.all_effects) if hasattr(effect, "as_request"))

    @property
    def messages(self):
        return [effect for effect in self.all_effects if isinstance(effect, SendMessage)]

    @property
    def texts(self):
        """The texts that this step sent."""
        return [effect.body for effect in self.effects if isinstance(effect, SendMessage)]

    @property
    def warnings(self):
        return [effect.message for effect in self.effects if isinstance(effect, RecordWarning)]

    @property
    def wait(self):
        return next((effect for effect in self.effects if isinstance(effect, WaitForReply)), None)

    @property
    def ended(self):
        ends = [effect.reason for effect in self.effects if isinstance(effect, EndExecution)]
        assert len(ends) <= 1
        return ends[0] if ends else None

    @property
    def due(self):
        return due_at(self.state)


def flow_of(*states, first=None):
    """A flow from (name, type, properties, {event: next}) with a trigger before it."""
    trigger = (
        "Trigger",
        "trigger",
        {},
        {"incomingMessage": first or states[0][0], "incomingParent": states[0][0]},
    )
    return {
        "description": "",
        "states": [
            {"name": n, "type": t, "properties": p, "transitions": _transitions(to)}
            for n, t, p, to in (trigger, *states)
        ],
        "initial_state": "Trigger",
        "flags": {},
    }


def _transitions(to):
    if isinstance(to, list):
        return to
    return [{"event": event, **({"next": next_} if next_ else {})} for event, next_ in to.items()]


def say(name, body, next_=None, **more):
    return (name, "send-message", {"body": body, **more}, {"sent": next_, "failed": None})


def render(source, *, zone="America/Los_Angeles", variables=None):
    """The text of a template as a client gets it, and the warnings."""
    context = ExecutionContext("FN1", "FW1", FATOU, DESK, data=variables or {}, zone=zone)
    harness = FlowHarness(flow_of(say("show", f"[{source}]")), context=context).starts()
    return (harness.texts[0][1:-1] if harness.texts else None), harness.warnings
