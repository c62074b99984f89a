"""Twilio's limits: each ends an execution under its own name."""

from datetime import timedelta

from relais.flows.engine import TimedOut
from relais.flows.engine.tests.stage import NOON, Stage, flow_of, say

QUESTION = "send-and-wait-for-reply"


def test_a_thousand_steps():
    stage = Stage(flow_of(say("a", "a", "b"), say("b", "b", "a"))).starts()
    assert stage.ended == "max_steps"
    assert stage.state["steps"] == 1000
    assert len(stage.texts) == 999  # the trigger is a step


def test_a_thousand_steps_count_across_answers():
    stage = Stage(
        flow_of(say("a", "a", "ask"), ("ask", QUESTION, {"body": "?"}, {"incomingMessage": "a"}))
    ).starts()
    heard = 0
    while stage.ended is None:
        stage.hears("x")
        heard += 1
    assert (stage.ended, stage.state["steps"], heard) == ("max_steps", 1000, 499)


def test_the_same_widget_ten_times_in_a_row():
    stage = Stage(flow_of(say("again", "again", "again"))).starts()
    assert (stage.ended, len(stage.texts)) == ("widget_loop", 10)


def test_ten_times_in_a_row_counts_across_time_outs():
    stage = Stage(flow_of(("ask", QUESTION, {"body": "?", "timeout": 5}, {"timeout": "ask"}))).starts()
    for _ in range(9):
        assert stage.passes(5).texts == ["?"]
    assert stage.passes(5).ended == "widget_loop"


def test_thirty_days():
    stage = Stage(
        flow_of(
            (
                "ask",
                QUESTION,
                {"body": "?", "timeout": 2_592_000},
                {"incomingMessage": "ask", "timeout": "ask"},
            )
        )
    )
    stage.starts()
    stage.now += timedelta(days=29)
    stage.hears("encore là")
    assert stage.due == NOON + timedelta(days=30)
    assert stage.passes(86_399).ended is None
    assert stage.passes(1).ended == "execution_too_long"
    assert stage.due is None


def test_what_has_ended_stays_as_it_ended():
    stage = Stage(flow_of(say("hello", "Bonjour"))).starts()
    ended = stage.state
    assert stage.hears("encore").effects == () and stage.gets(TimedOut()).state == ended
