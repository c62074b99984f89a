"""Twilio's limits: each ends an execution with its own end reason."""

from datetime import timedelta

from relais.flows.engine import TimedOut
from relais.flows.engine.tests.harness import NOON, FlowHarness, flow_of, say

QUESTION = "send-and-wait-for-reply"


def test_a_thousand_steps_end_the_execution():
    harness = FlowHarness(flow_of(say("a", "a", "b"), say("b", "b", "a"))).starts()
    assert harness.ended == "max_steps"
    assert harness.state["steps"] == 1000
    assert len(harness.texts) == 999  # the trigger is a step


def test_steps_count_across_replies():
    harness = FlowHarness(
        flow_of(say("a", "a", "ask"), ("ask", QUESTION, {"body": "?"}, {"incomingMessage": "a"}))
    ).starts()
    heard = 0
    while harness.ended is None:
        harness.receives("x")
        heard += 1
    assert (harness.ended, harness.state["steps"], heard) == ("max_steps", 1000, 499)


def test_the_same_widget_ten_times_in_a_row_ends_the_execution():
    harness = FlowHarness(flow_of(say("again", "again", "again"))).starts()
    assert (harness.ended, len(harness.texts)) == ("widget_loop", 10)


def test_ten_times_in_a_row_counts_across_time_outs():
    harness = FlowHarness(
        flow_of(("ask", QUESTION, {"body": "?", "timeout": 5}, {"timeout": "ask"}))
    ).starts()
    for _ in range(9):
        assert harness.time_passes(5).texts == ["?"]
    assert harness.time_passes(5).ended == "widget_loop"


def test_an_execution_ends_after_thirty_days():
    harness = FlowHarness(
        flow_of(
            (
                "ask",
                QUESTION,
                {"body": "?", "timeout": 2_592_000},
                {"incomingMessage": "ask", "timeout": "ask"},
            )
        )
    )
    harness.starts()
    harness.now += timedelta(days=29)
    harness.receives("encore là")
    assert harness.due == NOON + timedelta(days=30)
    assert harness.time_passes(86_399).ended is None
    assert harness.time_passes(1).ended == "execution_too_long"
    assert harness.due is None


def test_an_ended_execution_ignores_inputs():
    harness = FlowHarness(flow_of(say("hello", "Bonjour"))).starts()
    ended = harness.state
    assert harness.receives("encore").effects == () and harness.apply(TimedOut()).state == ended
