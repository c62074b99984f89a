"""send-and-wait-for-reply: reply, time-out and failed delivery."""

from datetime import timedelta

import pytest

from relais.flows.engine import SendResult, waits_for_reply
from relais.flows.engine.tests.harness import NOON, FlowHarness, flow_of, say, webhook

QUESTION = "send-and-wait-for-reply"


def test_a_reply_is_the_webhook_and_does_not_change_the_trigger():
    harness = FlowHarness("send-and-wait-for-reply").starts("bonjour")
    assert harness.texts == ["Votre nom ?"]
    assert (harness.wait.timeout, harness.wait.until) == (600, (NOON + timedelta(seconds=600)).isoformat())
    assert waits_for_reply(harness.state)
    harness.receives("Fatou", NumMedia="1")
    assert harness.texts == ["Merci Fatou (1 média) ; vous aviez écrit bonjour."]
    assert harness.state["frames"][0]["widgets"]["ask"]["inbound"] == webhook("Fatou", NumMedia="1")


def test_the_timeout_transition_is_taken_exactly_at_the_timeout():
    harness = FlowHarness("send-and-wait-for-reply").starts()
    assert harness.due == NOON + timedelta(seconds=600)
    before = harness.state
    assert harness.time_passes(599).effects == () and harness.state == before
    assert harness.time_passes(1).texts == ["Toujours là ?"]


def test_the_first_of_reply_and_timeout_wins():
    late_reply = FlowHarness("send-and-wait-for-reply").starts()
    late_reply.now += timedelta(seconds=600)
    assert late_reply.receives("Fatou").texts[0].startswith("Merci")
    assert late_reply.time_passes(0).effects == ()


def test_an_undelivered_question_takes_delivery_failure():
    harness = FlowHarness("send-and-wait-for-reply").starts()
    assert harness.send_result(sid="SM1", status="sent").effects == ()
    assert waits_for_reply(harness.state)
    assert harness.send_result(error_code="63016").texts == ["Perdu : 63016"]


def test_the_result_of_another_message_does_not_end_the_wait():
    harness = FlowHarness("send-and-wait-for-reply").starts()
    assert harness.apply(SendResult(99, error_code="63016")).effects == ()
    assert waits_for_reply(harness.state)


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
def test_the_timeout_is_a_text_or_a_number(written, seconds, warned):
    harness = FlowHarness(
        flow_of(("ask", QUESTION, {"body": "?", "timeout": written}, {"incomingMessage": None}))
    ).starts()
    assert harness.wait.timeout == seconds
    assert len(harness.warnings) == warned


def test_an_empty_question_fails_at_once():
    harness = FlowHarness(
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
    assert harness.texts == ["Code 21619 ?"]


@pytest.mark.parametrize("elsewhere", [{"to": "whatsapp:+33699999999"}, {"from": "whatsapp:+14150000000"}])
def test_a_question_for_somebody_else_is_not_sent_to_the_client(elsewhere):
    """His reply would arrive in another conversation, and the client must not read his messages."""
    to = {"incomingMessage": None, "timeout": None, "deliveryFailure": "sorry"}
    flow = flow_of(
        ("ask", QUESTION, {"body": "Fatou est à vous ?", **elsewhere}, to),
        say("sorry", "{{widgets.ask.outbound.ErrorCode}}"),
    )
    harness = FlowHarness(flow).starts()
    assert harness.texts == ["other_address"]
    assert next(iter(elsewhere.values())) in harness.warnings[0]


@pytest.mark.parametrize(
    "to", ["{{contact.channel.address}}", "{{trigger.message.From}}", "+212600000001", "{{nobody}}"]
)
def test_a_question_to_the_client_is_sent(to):
    flow = flow_of(("ask", QUESTION, {"body": "Oui ?", "to": to}, {"incomingMessage": None}))
    assert FlowHarness(flow).starts().texts == ["Oui ?"]
