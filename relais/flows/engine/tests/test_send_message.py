"""send-message: the message, its result, and messages to others."""

import pytest

from relais.flows.engine import SendMessage, SendResult
from relais.flows.engine.tests.harness import DESK, FATOU, FlowHarness, flow_of, say


def test_it_sends_and_goes_on_without_waiting():
    harness = FlowHarness("send-message").starts("dacia")
    brochure = harness.messages[0]
    assert (brochure.to, brochure.sender) == (FATOU, DESK)
    assert brochure.body == "Voici la brochure, Fatou."
    assert brochure.media_url == "https://cdn.example/dacia.pdf"
    assert harness.texts[1] == f"Voici la brochure, Fatou. / {FATOU} / queued"


def test_an_empty_message_is_not_sent_and_fails():
    harness = FlowHarness("send-message").starts()
    assert [message.widget for message in harness.messages] == ["brochure", "echo", "sorry"]
    assert harness.texts[-1] == "Erreur 21619."


def test_a_message_over_1600_characters_fails():
    harness = FlowHarness(flow_of(say("long", "é" * 1601, None))).starts()
    assert harness.texts == []
    assert "1600" in harness.warnings[0]
    assert FlowHarness(flow_of(say("long", "é" * 1600, None))).starts().texts == ["é" * 1600]


def test_the_send_result_fills_outbound_later():
    flow = flow_of(
        say("hello", "Bonjour", "ask"),
        ("ask", "send-and-wait-for-reply", {"body": "Oui ?"}, {"incomingMessage": "tell"}),
        say("tell", "{{widgets.hello.outbound.Sid}} {{widgets.hello.outbound.Status}}"),
    )
    harness = FlowHarness(flow).starts()
    harness.apply(SendResult(harness.messages[0].ref, sid="SM1", status="sent"))
    assert harness.effects == ()
    assert harness.receives("oui").texts == ["SM1 sent"]


def test_a_content_template_has_a_sid_and_variables():
    flow = flow_of(
        (
            "card",
            "send-message",
            {
                "message_type": "content_template",
                "body": "not this",
                "content_sid": "HX1",
                "content_variables": [{"key": "{{1}}", "value": "{{trigger.message.ProfileName}}"}],
            },
            {"sent": None},
        )
    )
    (message,) = FlowHarness(flow).starts().messages
    assert message == SendMessage(2, "card", FATOU, DESK, "", "", "HX1", {"1": "Fatou"})


@pytest.mark.parametrize(
    ("properties", "sent"),
    [
        ({"message_type": "custom", "content_sid": "HX1"}, ("Bonjour", "")),
        (
            {
                "message_type": "custom",
                "content_sid": "HX1",
                "content_variables": [{"key": "1", "value": "x"}],
            },
            ("Bonjour", ""),
        ),
        ({"message_type": "content_template", "content_sid": "HX1"}, ("", "HX1")),
        ({"content_sid": "HX1"}, ("", "HX1")),
        ({}, ("Bonjour", "")),
    ],
)
def test_the_message_type_chooses_between_text_and_template(properties, sent):
    flow = flow_of(("a", "send-message", {"body": "Bonjour", **properties}, {"sent": None}))
    (message,) = FlowHarness(flow).starts().messages
    assert (message.body, message.content_sid) == sent
    assert bool(message.content_variables) is False


OTHER = "whatsapp:+33699999999"


def to_other(**properties):
    return FlowHarness(
        flow_of(
            (
                "tell",
                "send-message",
                {"body": "Fatou attend", **properties},
                {"sent": "done", "failed": "sorry"},
            ),
            say("done", "Transmis."),
            say("sorry", "Pas transmis : {{widgets.tell.outbound.ErrorCode}}."),
        )
    ).starts()


@pytest.mark.parametrize(
    "properties", [{"to": OTHER}, {"to": "+33 6 99 99 99 99"}, {"from": "whatsapp:+14150000000"}]
)
def test_a_message_to_or_from_another_waits_for_its_result(properties):
    harness = to_other(**properties)
    (message,) = harness.messages
    assert not message.is_to_client
    assert (message.to, message.sender) == (properties.get("to", FATOU), properties.get("from", DESK))
    assert harness.ended is None
    harness.receives("une autre réponse")
    assert harness.ended is None, "a message of the client is not its outcome"
    assert harness.send_result(status="queued").texts == ["Transmis."]


def test_a_refused_message_to_another_fails():
    harness = to_other(to=OTHER)
    assert harness.send_result(error_code="window_closed", error_message="plus de 24 h").texts == [
        "Pas transmis : window_closed."
    ]


def test_a_refused_message_to_another_without_a_branch_is_a_warning():
    flow = flow_of(("tell", "send-message", {"body": "x", "to": OTHER}, {"sent": None, "failed": None}))
    harness = FlowHarness(flow).starts().send_result(error_code="window_closed", error_message="plus de 24 h")
    assert (harness.ended, len(harness.warnings)) == ("completed", 1)
    assert OTHER in harness.warnings[0] and "plus de 24 h" in harness.warnings[0]


@pytest.mark.parametrize(
    "to", ["{{contact.channel.address}}", "+212 600-00 00 01", "00212600000001", "WhatsApp: 212600000001"]
)
def test_the_clients_number_is_recognised_in_any_notation(to):
    (message,) = FlowHarness(flow_of(say("a", "x", to=to))).starts().messages
    assert message.is_to_client
