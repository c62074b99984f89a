"""send-and-wait-for-reply: a question, and how it ends."""

from datetime import timedelta

import pytest

from relais.flows.engine import SendResult, waits_for_reply
from relais.flows.engine.tests.stage import NOON, Stage, flow_of, say, webhook

QUESTION = "send-and-wait-for-reply"


def test_a_reply_is_the_webhook_and_leaves_the_trigger_as_it_was():
    stage = Stage("send-and-wait-for-reply").starts("bonjour")
    assert stage.texts == ["Votre nom ?"]
    assert (stage.waits.timeout, stage.waits.until) == (600, (NOON + timedelta(seconds=600)).isoformat())
    assert waits_for_reply(stage.state)
    stage.hears("Fatou", NumMedia="1")
    assert stage.texts == ["Merci Fatou (1 média) ; vous aviez écrit bonjour."]
    assert stage.state["frames"][0]["widgets"]["ask"]["inbound"] == webhook("Fatou", NumMedia="1")


def test_silence_takes_the_timeout_and_not_a_second_before():
    stage = Stage("send-and-wait-for-reply").starts()
    assert stage.due == NOON + timedelta(seconds=600)
    before = stage.state
    assert stage.passes(599).effects == () and stage.state == before
    assert stage.passes(1).texts == ["Toujours là ?"]


def test_whichever_comes_first_wins():
    late_reply = Stage("send-and-wait-for-reply").starts()
    late_reply.now += timedelta(seconds=600)
    assert late_reply.hears("Fatou").texts[0].startswith("Merci")
    assert late_reply.passes(0).effects == ()


def test_a_message_that_cannot_be_delivered():
    stage = Stage("send-and-wait-for-reply").starts()
    assert stage.said(sid="SM1", status="sent").effects == ()
    assert waits_for_reply(stage.state)
    assert stage.said(error_code="63016").texts == ["Perdu : 63016"]


def test_the_outcome_of_another_message_ends_no_wait():
    stage = Stage("send-and-wait-for-reply").starts()
    assert stage.gets(SendResult(99, error_code="63016")).effects == ()
    assert waits_for_reply(stage.state)


@pytest.mark.parametrize(
    ("written", "seconds", "warned"),
    [
        ("60", 60, 0),
        (60, 60, 0),
        (None, 3600, 0),
        ("", 3600, 0),
        ("{{flow.data.x}}", 3600, 0),
        ("an hour", 3600, 1),
    ],
)
def test_the_time_to_wait_is_a_text_or_a_number(written, seconds, warned):
    stage = Stage(
        flow_of(("ask", QUESTION, {"body": "?", "timeout": written}, {"incomingMessage": None}))
    ).starts()
    assert stage.waits.timeout == seconds
    assert len(stage.warnings) == warned


def test_nothing_to_ask_fails_at_once():
    stage = Stage(
        flow_of(
            ("ask", QUESTION, {"body": "{{none}}"}, {"deliveryFailure": "ask2"}),
            (
                "ask2",
                QUESTION,
                {"body": "Code {{widgets.ask.outbound.ErrorCode}} ?"},
                {"incomingMessage": None},
            ),
        )
    ).starts()
    assert stage.texts == ["Code 21619 ?"]


@pytest.mark.parametrize("elsewhere", [{"to": "whatsapp:+33699999999"}, {"from": "whatsapp:+14150000000"}])
def test_a_question_for_another_is_not_put_to_the_client(elsewhere):
    """His reply would come to another conversation, and what is meant for him is not told to the client."""
    to = {"incomingMessage": None, "timeout": None, "deliveryFailure": "sorry"}
    flow = flow_of(
        ("ask", QUESTION, {"body": "Fatou est à vous ?", **elsewhere}, to),
        say("sorry", "{{widgets.ask.outbound.ErrorCode}}"),
    )
    stage = Stage(flow).starts()
    assert stage.texts == ["other_address"]
    assert next(iter(elsewhere.values())) in stage.warnings[0]


@pytest.mark.parametrize(
    "to", ["{{contact.channel.address}}", "{{trigger.message.From}}", "+212600000001", "{{nobody}}"]
)
def test_a_question_to_the_client_himself_is_asked(to):
    flow = flow_of(("ask", QUESTION, {"body": "Oui ?", "to": to}, {"incomingMessage": None}))
    assert Stage(flow).starts().texts == ["Oui ?"]
