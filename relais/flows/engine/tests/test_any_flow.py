"""Property-based tests: a step is total, keeps the limits, and its state is plain JSON."""

import json
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from relais.flows.engine import (
    EndExecution,
    MessageReceived,
    RequestResult,
    SendResult,
    Started,
    State,
    TimedOut,
    Trigger,
    WaitForReply,
    due_at,
    parse,
    start,
    step,
    waits_for_reply,
)
from relais.flows.engine.conditions import CONDITIONS
from relais.flows.engine.inputs import TRIGGER_EVENTS
from relais.flows.engine.tests.harness import CONTEXT, NOON
from relais.flows.engine.widgets import WIDGET_TYPES

NAMES = ["Trigger", "a", "b", "c", "d"]
SUBFLOW = "FW9"
TEMPLATES = st.one_of(
    st.sampled_from(
        [
            "",
            "Bonjour",
            "{{trigger.message.Body}}",
            "{{widgets.a.inbound.Body | downcase}}",
            "{{widgets.b.parsed}}",
            "{{flow.variables.x | plus: 1}}",
            "{{flow.variables.x | append: flow.variables.x}}",
            "{% for i in (1..20) %}{{i}}{% endfor %}",
            "{{ oops",
            "{{ x | nope }}",
            '{{ "now" | date: widgets.a.inbound.Body }}',
            "{{flow.data}}",
        ]
    ),
    st.text(max_size=20),
)
VALUES = st.one_of(TEMPLATES, st.none(), st.integers(-5, 5000), st.booleans())
PAIRS = st.lists(
    st.fixed_dictionaries(
        {"key": st.sampled_from(["x", "y", "", "{{1}}"]), "value": VALUES},
        optional={"parse_as_json": st.booleans()},
    ),
    max_size=3,
)
CONDITION = st.fixed_dictionaries(
    {
        "type": st.sampled_from([*CONDITIONS, "nope"]),
        "value": VALUES,
        "arguments": st.lists(VALUES, max_size=2),
    }
)
EVENTS = sorted({event for kind in WIDGET_TYPES.values() for event in kind.events} | {"failure", "nope"})
TRANSITION = st.fixed_dictionaries(
    {"event": st.sampled_from(EVENTS)},
    optional={
        "next": st.sampled_from([*NAMES, "nowhere", "", None]),
        "conditions": st.lists(CONDITION, max_size=2),
    },
)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "body": VALUES, "url": VALUES, "to": VALUES, "from": VALUES, "media_url": VALUES, "timeout": VALUES, "input": VALUES,
        "method": st.sampled_from(["GET", "POST", "x", None]), "parameters": PAIRS, "variables": PAIRS,
        "content_sid": VALUES, "content_variables": PAIRS, "attributes": VALUES, "task_attributes": VALUES,
        "flow_sid": st.sampled_from([SUBFLOW, "FW8"]), "add_twilio_auth": st.booleans(),
    },
)  # fmt: skip
TYPES = st.sampled_from([*WIDGET_TYPES, "say-play"])


@st.composite
def flows(draw):
    names = draw(st.lists(st.sampled_from(NAMES[1:]), unique=True, max_size=4))
    states = [
        {"name": "Trigger", "type": "trigger", "properties": {}, "transitions": _all_starts(draw, names)}
    ]
    for name in names:
        transitions = draw(st.lists(TRANSITION, max_size=5))
        states.append(
            {"name": name, "type": draw(TYPES), "properties": draw(PROPERTIES), "transitions": transitions}
        )
    return {"states": states, "initial_state": "Trigger"}


def _all_starts(draw, names):
    first = draw(st.sampled_from([*names, None]))
    return [{"event": event, "next": first} for event in TRIGGER_EVENTS]


REFS = st.integers(0, 40)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=3), s, max_size=3),
    max_leaves=5,
)
BODIES = st.one_of(
    st.text(max_size=20),
    JSON.map(json.dumps),
    st.dictionaries(st.text(max_size=3), JSON, max_size=3).map(json.dumps),
)
PARAMS = st.dictionaries(
    st.sampled_from(["Body", "NumMedia", "ChannelAttributes", "é\0"]), st.text(st.characters(), max_size=20)
)
INPUTS = st.one_of(
    st.just(Started()),
    st.just(TimedOut()),
    st.builds(MessageReceived, PARAMS),
    st.builds(
        RequestResult,
        ref=REFS,
        status=st.sampled_from([0, 200, 302, 500]),
        content_type=st.sampled_from(["application/json", "text/plain", ""]),
        body=BODIES,
    ),
    st.builds(RequestResult.failed, REFS, st.text(max_size=5)),
    st.builds(SendResult, ref=REFS, sid=st.text(max_size=3), error_code=st.sampled_from(["", "63016"])),
)
TRIGGERS = st.builds(Trigger, st.sampled_from(TRIGGER_EVENTS), PARAMS)


@settings(max_examples=300, deadline=None)
@given(flows(), flows(), TRIGGERS, st.lists(st.tuples(INPUTS, st.integers(0, 900_000)), max_size=12))
def test_any_flow_with_any_inputs_keeps_the_invariants(definition, subflow, trigger, timed_inputs):
    flow, subflows = parse(definition), {SUBFLOW: parse(subflow)}
    now = NOON
    state = start(flow, trigger=trigger, context=CONTEXT, now=now)
    for input, seconds in [(Started(), 0), *timed_inputs]:
        now += timedelta(seconds=seconds)
        if isinstance(input, RequestResult) and state["waiting"] and input.ref % 2:
            input = RequestResult(
                state["waiting"]["ref"], input.status, input.content_type, input.body, failure=input.failure
            )
        if isinstance(input, SendResult) and state["waiting"] and input.ref % 2:
            input = SendResult(state["waiting"]["ref"], sid=input.sid, error_code=input.error_code)
        before = json.dumps(state)
        after, effects = step(flow, state, input, now=now, flows=subflows)
        assert json.dumps(state) == before
        check_invariants(state, after, effects, now)
        state = json.loads(json.dumps(after))
        assert state == after


def check_invariants(before, state, effects, now):
    json.dumps(state).encode()
    assert set(state) == set(State.__annotations__)
    assert before["steps"] <= state["steps"] <= 1000
    assert 1 <= len(state["frames"]) <= 2
    ends = [effect for effect in effects if isinstance(effect, EndExecution)]
    assert len(ends) == (state["ended"] is not None and before["ended"] is None)
    assert not ends or effects[-1] is ends[0]
    if state["ended"] is not None:
        assert state["waiting"] is None and due_at(state) is None
    else:
        assert state["waiting"] is not None
        assert due_at(state) is not None
    if any(isinstance(effect, WaitForReply) for effect in effects):
        assert waits_for_reply(state)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5),
        lambda s: (
            st.lists(s, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "states",
                        "name",
                        "type",
                        "initial_state",
                        "transitions",
                        "properties",
                        "event",
                        "next",
                        "conditions",
                        "variables",
                    ]
                ),
                s,
                max_size=5,
            )
        ),
    )
)
@settings(max_examples=200, deadline=None)
def test_any_json_is_a_flow_or_invalid(definition):
    from relais.flows.engine import InvalidFlow

    try:
        flow = parse(json.dumps(definition))
    except InvalidFlow as refused:
        assert refused.problems
        return
    state = start(flow, trigger=Trigger.message({}), context=CONTEXT, now=NOON)
    step(flow, state, Started(), now=NOON)
