"""The runner: questions and replies of the bot, and that a take-over ends it at once."""

from datetime import timedelta

import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.company import company_settings
from relais.conversations.event_text import event_sentence
from relais.conversations.models import Conversation
from relais.conversations.states import Situation
from relais.flows import runner
from relais.flows.models import Execution
from relais.flows.tasks import wake_bots
from relais.flows.tests.builders import (
    asks,
    bot_runs,
    flow_of,
    no_network,
    posts,
    published,
    says,
    twilio_takes_all,
)
from tests.cast import event_types_of, messages_to_client

pytestmark = pytest.mark.django_db


def test_the_first_message_starts_the_flow_and_the_next_is_a_reply(question, fatou_writes, clock):
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == ["Votre nom ?"]
    assert conversation.bot_waits_until is not None
    twilio_takes_all(clock)
    clock.passes(seconds=3)
    bot_runs(fatou_writes("Fatou"), clock)
    assert messages_to_client(conversation) == ["Votre nom ?", "Merci Fatou."]
    execution = conversation.executions.get()
    assert (execution.end_reason, execution.path) == ("completed", ["nom", "merci"])
    conversation.refresh_from_db()
    assert (conversation.situation, conversation.bot_waits_until) == (Situation.BOT, None)


def test_a_repeated_job_does_nothing(question, fatou_writes, clock):
    conversation = fatou_writes("mercedes")
    for _again in range(3):
        bot_runs(conversation, clock)
    assert messages_to_client(conversation) == ["Votre nom ?"]
    assert event_types_of(conversation).count("flow_start") == 1


@pytest.fixture
def as_at_twilio(db):
    company_settings.set_value(company_settings.BUFFER_EARLY_REPLIES, False)


def test_an_early_message_is_no_reply_with_the_setting_off(question, fatou_writes, clock, as_at_twilio):
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    clock.passes(seconds=1)
    bot_runs(fatou_writes("trop tôt"), clock)
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == ["Votre nom ?"]
    assert event_types_of(conversation).count("note") == 1
    note = conversation.events.get(event_type="note")
    assert " ".join(event_sentence(note).split()) == "Non lu par le bot : « trop tôt »"
    clock.passes(seconds=1)
    twilio_takes_all(clock)
    clock.passes(seconds=1)
    bot_runs(fatou_writes("Fatou"), clock)
    assert messages_to_client(conversation)[-1] == "Merci Fatou."


@pytest.mark.parametrize(("accepted_after", "reply"), [(1, "Merci Fatou."), (3, "Votre nom ?")])
def test_a_message_during_the_send_is_decided_once_the_result_is_known(
    question, fatou_writes, clock, accepted_after, reply, as_at_twilio
):
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    asked = conversation.deliveries.get()
    assert asked.claim(by="t", at=clock.now)
    accepted_at = clock.now + timedelta(seconds=accepted_after)
    clock.passes(seconds=2)
    bot_runs(fatou_writes("Fatou"), clock)
    assert not Execution.objects.due(clock.now).exists()
    clock.passes(seconds=2)
    asked.mark_sent("SM" + "a" * 32, at=accepted_at)
    assert Execution.objects.due(clock.now).count() == 1
    bot_runs(conversation, clock)
    assert messages_to_client(conversation)[-1] == reply
    assert not Execution.objects.due(clock.now).exists()


def test_a_late_message_is_no_reply_and_wakes_no_execution(question, fatou_writes, clock, as_at_twilio):
    """It was written before the question, or hours ago; the bot must not answer the latter at all."""
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    twilio_takes_all(clock)
    asked_at = clock.now
    clock.passes(seconds=40)
    fatou_writes("avant la question", occurred_at=asked_at - timedelta(seconds=2))
    fatou_writes("des heures après", occurred_at=clock.now, bot_here=False)
    assert Execution.objects.due(clock.now).count() == 1
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == ["Votre nom ?"]
    assert not Execution.objects.due(clock.now).exists()
    fatou_writes("Fatou", occurred_at=asked_at.replace(microsecond=0))
    bot_runs(conversation, clock)
    assert messages_to_client(conversation)[-1] == "Merci Fatou."


def test_a_late_message_starts_no_flow(question, fatou_writes, clock):
    conversation = fatou_writes("hier", occurred_at=clock.now - timedelta(days=1), bot_here=False)
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == []
    bot_runs(fatou_writes("aujourd'hui"), clock)
    assert messages_to_client(conversation) == ["Votre nom ?"]
    assert conversation.executions.get().about.body == "aujourd'hui"


def test_an_execution_is_woken_once_while_its_job_is_unfinished(question, fatou_writes, clock):
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    jobs = ProcrastinateJob.objects.filter(lock=f"bot:{conversation.pk}")
    before = jobs.count()
    assert before == 1
    timestamp = int(clock.passes(hours=2).timestamp())
    wake_bots(timestamp)
    assert jobs.count() == before
    with connection.cursor() as cursor:
        cursor.execute("update procrastinate_jobs set status = 'failed'")
    for _tick in range(3):
        wake_bots(timestamp)
    assert jobs.count() == before + 1


def test_a_message_within_the_same_second_is_a_reply(question, fatou_writes, clock):
    conversation = fatou_writes("bonjour")
    fatou_writes("Fatou")
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == ["Votre nom ?", "Merci Fatou."]
    assert "note" not in event_types_of(conversation)


def test_an_early_message_is_buffered_as_the_reply(question, fatou_writes, clock):
    conversation = fatou_writes("bonjour")
    bot_runs(conversation, clock)
    bot_runs(fatou_writes("Fatou"), clock)
    assert messages_to_client(conversation)[-1] == "Merci Fatou."


def test_a_time_out_ends_the_wait(question, fatou_writes, clock):
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    twilio_takes_all(clock)
    assert not Execution.objects.due(clock.now).exists()
    clock.passes(hours=1, seconds=1)
    assert Execution.objects.due(clock.now).count() == 1
    bot_runs(conversation, clock)
    assert messages_to_client(conversation)[-1] == "Au revoir."
    assert not Execution.objects.due(clock.passes(days=40)).exists()


def test_an_undelivered_question_takes_delivery_failure(clock, fatou_writes):
    published(
        flow_of(asks("nom", "Votre nom ?", failed="perdu"), says("perdu", "Écrivez-nous de nouveau.")), clock
    )
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    question = conversation.deliveries.get()
    question.claim(by="t", at=clock.now)
    question.mark_failed(at=clock.now, code=63012, error="panne")
    assert Execution.objects.due(clock.now).count() == 1
    bot_runs(conversation, clock)
    assert messages_to_client(conversation)[-1] == "Écrivez-nous de nouveau."


def test_a_take_over_ends_the_execution_and_withholds_its_messages(question, fatou_writes, awa, clock):
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    conversation.take_over(awa, at=clock.now)
    execution = conversation.executions.get()
    assert (execution.end_reason, execution.awaits_reply) == ("taken_over", False)
    bot_runs(fatou_writes("Fatou"), clock)
    assert "Merci Fatou." not in messages_to_client(conversation)
    stale = conversation.deliveries.order_by("id").first()
    assert not stale.claim(by="t", at=clock.now)


def test_a_hand_back_restarts_the_flow_with_agent_and_reason(fatou_writes, awa, clock):
    published(flow_of(says("suite", "Après {{flow.data.previous_agent}} : {{flow.data.reason}}.")), clock)
    conversation = fatou_writes("mercedes")
    conversation.take_over(awa, at=clock.now)
    fatou_writes("pour Awa seulement")
    conversation.hand_back(awa, at=clock.now, reason="essai pris")
    bot_runs(conversation, clock)
    assert not conversation.executions.exists()
    bot_runs(fatou_writes("et maintenant ?"), clock)
    assert messages_to_client(conversation)[-1] == "Après Awa Diop : essai pris."


def test_a_flow_that_completes_ends_the_conversation_and_itself(fatou_writes, clock):
    published(
        flow_of(
            posts("ici", "/api/twilio/incoming", "adieu"),
            says("adieu", "Au revoir.", "fin"),
            posts("fin", "/api/twilio/complete", conversation_id="{{widgets.ici.parsed.conversation_id}}"),
        ),
        clock,
    )
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    assert conversation.status == "completed"
    assert conversation.executions.active().count() == 0
    twilio_takes_all(clock)
    assert conversation.deliveries.get().state == "sent"


def test_while_a_flow_waits_no_waiting_text_is_sent_and_the_conversation_stays_open(
    question, fatou_writes, clock
):
    from datetime import timedelta

    from relais.conversations.events import BOT
    from relais.conversations.lifecycle import end_inactive

    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    twilio_takes_all(clock)
    conversation.ask_for_agent(by=BOT, at=clock.now)
    clock.passes(minutes=1)
    fatou_writes("Fatou")
    assert messages_to_client(conversation) == ["Votre nom ?"]
    at = clock.passes(hours=30)
    assert end_inactive(Conversation.objects.all(), inactive_since=at - timedelta(hours=24), at=at) == 0


def test_running_executions_stay_on_their_revision(question, fatou_writes, clock):
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    twilio_takes_all(clock)
    question.add_revision(flow_of(says("autre", "Tout neuf.")), by="", at=clock.now).publish(
        at=clock.passes(seconds=1)
    )
    clock.passes(seconds=1)
    bot_runs(fatou_writes("Fatou"), clock)
    assert messages_to_client(conversation)[-1] == "Merci Fatou."
    bot_runs(fatou_writes("encore"), clock)
    assert messages_to_client(conversation)[-1] == "Tout neuf."


def test_without_a_flow_the_bot_sends_nothing(fatou_writes, clock):
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == []


def test_two_concurrent_jobs_ask_once(question, fatou_writes, clock, transactional_db):
    from relais.conversations.tests.test_inbound import run_concurrently

    for n in range(10):
        conversation = fatou_writes("mercedes", address=f"whatsapp:+2124{n:08d}")
        run_concurrently(
            lambda _n, c=conversation: runner.run(c.pk, fetch=no_network, clock=lambda: clock.now), 4
        )
        assert messages_to_client(conversation) == ["Votre nom ?"]


def test_the_sid_of_the_question_is_known_at_the_reply(fatou_writes, clock):
    published(
        flow_of(asks("nom", "Votre nom ?", "merci"), says("merci", "{{widgets.nom.outbound.Sid}}")), clock
    )
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    twilio_takes_all(clock)
    sid = conversation.deliveries.get().sid
    clock.passes(seconds=3)
    bot_runs(fatou_writes("Fatou"), clock)
    assert messages_to_client(conversation)[-1] == sid


def test_media_and_templates_are_sent(fatou_writes, clock):
    picture = says("photo", "La Classe E", "modele")
    picture["properties"]["media_url"] = "https://example.com/e.jpg"
    template = says("modele", "")
    template["properties"] |= {
        "message_type": "content_template",
        "content_sid": "HX" + "1" * 32,
        "content_variables": [{"key": "{{1}}", "value": "Fatou"}],
    }
    published(flow_of(picture, template), clock)
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    first, second = (d.event for d in conversation.deliveries.order_by("id"))
    assert (first.body, first.metadata) == ("La Classe E", {"media_url": ["https://example.com/e.jpg"]})
    assert second.metadata == {"content_sid": "HX" + "1" * 32, "content_variables": {"1": "Fatou"}}
