"""send-message: says something and goes on."""

from relais.flows.engine import Said, Say
from relais.flows.engine.tests.stage import DESK, FATOU, Stage, flow_of, say


def test_it_says_and_goes_on_without_waiting():
    stage = Stage("send-message").starts("dacia")
    brochure = stage.messages[0]
    assert (brochure.to, brochure.sender) == (FATOU, DESK)
    assert brochure.body == "Voici la brochure, Fatou."
    assert brochure.media_url == "https://cdn.example/dacia.pdf"
    assert stage.texts[1] == f"Voici la brochure, Fatou. / {FATOU} / queued"


def test_an_empty_message_is_not_said_and_fails():
    stage = Stage("send-message").starts()
    assert [message.widget for message in stage.messages] == ["brochure", "echo", "sorry"]
    assert stage.texts[-1] == "Erreur 21619."


def test_more_than_twilio_takes_fails():
    stage = Stage(flow_of(say("long", "é" * 1601, None))).starts()
    assert stage.texts == []
    assert "1600" in stage.warnings[0]
    assert Stage(flow_of(say("long", "é" * 1600, None))).starts().texts == ["é" * 1600]


def test_what_became_of_it_is_known_later():
    flow = flow_of(
        say("hello", "Bonjour", "ask"),
        ("ask", "send-and-wait-for-reply", {"body": "Oui ?"}, {"incomingMessage": "tell"}),
        say("tell", "{{widgets.hello.outbound.Sid}} {{widgets.hello.outbound.Status}}"),
    )
    stage = Stage(flow).starts()
    stage.gets(Said(stage.messages[0].ref, sid="SM1", status="sent"))
    assert stage.effects == ()
    assert stage.hears("oui").texts == ["SM1 sent"]


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
    (message,) = Stage(flow).starts().messages
    assert message == Say(2, "card", FATOU, DESK, "", "", "HX1", {"1": "Fatou"})
