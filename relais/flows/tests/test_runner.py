"""The runner: questions and replies of the bot, and that a take-over ends it at once."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.company import company_settings
from relais.conversations.event_text import event_sentence
from relais.conversations.models import Conversation, MessageDelivery
from relais.conversations.states import Situation
from relais.flows import engine, runner
from relais.flows.models import Execution, Flow
from relais.flows.runner import run
from relais.flows.tasks import MAX_ATTEMPTS, run_bot, run_bot_with_requests, wake_bots
from tests.cast import event_types_of, messages_to_client

pytestmark = pytest.mark.django_db


def state(name, type, transitions, **properties):
    return {"name": name, "type": type, "transitions": transitions, "properties": properties}


def to(event, next=None, **more):
    return {"event": event, **({"next": next} if next else {}), **more}


def flow_of(*states):
    start = state("Trigger", "trigger", [to("incomingMessage", states[0]["name"])])
    return {"description": "", "states": [start, *states], "initial_state": "Trigger", "flags": {}}


def asks(name, body, next=None, *, timeout=None, failed=None, seconds="3600"):
    on = [to("incomingMessage", next), to("timeout", timeout), to("deliveryFailure", failed)]
    return state(
        name,
        "send-and-wait-for-reply",
        on,
        body=body,
        timeout=seconds,
        **{"from": "{{flow.channel.address}}"},
    )


def says(name, body, next=None):
    on = [to("sent", next), to("failed")]
    return state(
        name,
        "send-message",
        on,
        body=body,
        to="{{contact.channel.address}}",
        **{"from": "{{flow.channel.address}}"},
    )


def posts(name, path, next=None, *, failed=None, host="https://relais.invalid", **params):
    pairs = [{"key": key, "value": value} for key, value in params.items()]
    on = [to("success", next), to("failed", failed)]
    kind = "application/x-www-form-urlencoded;charset=utf-8"
    return state(
        name, "make-http-request", on, method="POST", url=f"{host}{path}", content_type=kind, parameters=pairs
    )


def published(definition, clock, **fields):
    flow = Flow.objects.create(name="essai", answers=True, **fields)
    flow.add_revision(definition, by="", at=clock.now).publish(at=clock.now)
    return flow


def no_network(request):
    raise AssertionError(f"{request.url} was called")


def bot_runs(conversation, clock, fetch=no_network):
    run(conversation.pk, fetch=fetch, clock=lambda: clock.now)
    conversation.refresh_from_db()


def twilio_takes_all(clock):
    for delivery in MessageDelivery.objects.filter(state="queued").order_by("id"):
        if delivery.claim(by="t", at=clock.now):
            delivery.mark_sent(f"SM{delivery.pk:032d}", at=clock.now)


@pytest.fixture
def question(clock):
    thanks = says("merci", "Merci {{widgets.nom.inbound.Body}}.")
    return published(
        flow_of(asks("nom", "Votre nom ?", "merci", timeout="fin"), thanks, says("fin", "Au revoir.")), clock
    )


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
    """It was written before the question; or hours ago, and then the bot is not to answer it at all."""
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


def test_local_hooks_run_in_the_same_transaction(fatou_writes, clock):
    answered_text = "{{widgets.ici.parsed.client_exists}} {{widgets.ici.parsed.message}} {{widgets.ici.parsed.agent_mode}}"
    id = "{{widgets.ici.parsed.conversation_id}}"
    published(
        flow_of(
            posts("ici", "/api/twilio/incoming", "dire"),
            says("dire", answered_text, "menu"),
            posts(
                "menu",
                "/api/twilio/menu-choice",
                "agent",
                conversation_id=id,
                menu_choice="sav",
                user_input="2",
            ),
            posts(
                "agent",
                "/api/twilio/agent-transfer",
                "fin",
                conversation_id=id,
                reason="le client le demande",
            ),
            says("fin", "{{widgets.agent.parsed.transferred}} {{widgets.menu.parsed.current_menu}}"),
        ),
        clock,
    )
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == ["false mercedes false", "true sav"]
    assert conversation.situation is Situation.WAITING
    assert event_types_of(conversation).count("message_received") == 1


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


def test_a_foreign_host_is_called_between_two_transactions(fatou_writes, clock):
    published(
        flow_of(
            posts("crm", "/clients", "dire", failed="raté", host="https://crm.example"),
            says("dire", "{{widgets.crm.parsed.nom}}"),
            says("raté", "panne"),
        ),
        clock,
    )
    conversation, asked = fatou_writes("mercedes"), []

    def crm(request):
        asked.append(request.key)
        return engine.RequestResult(
            request.ref, status=200, content_type="application/json", body=json.dumps({"nom": "Diallo"})
        )

    bot_runs(conversation, clock, fetch=crm)
    assert messages_to_client(conversation) == ["Diallo"]
    [key] = asked
    assert key.startswith(conversation.executions.get().sid)


@pytest.mark.parametrize("host", ["https://[{{trigger.message.Body}}", "https://a℀b"])
def test_an_invalid_url_takes_the_failed_branch(fatou_writes, clock, host):
    from relais.flows import http_client

    published(
        flow_of(
            posts("demande", "/api/twilio/complete", "oui", failed="non", host=host),
            says("oui", "Trouvé."),
            says("non", "Nous ne savons pas."),
        ),
        clock,
    )
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock, fetch=http_client.fetch)
    assert messages_to_client(conversation) == ["Nous ne savons pas."]


def test_no_database_connection_is_held_during_a_request(fatou_writes, clock, monkeypatch, transactional_db):
    published(flow_of(posts("demande", "/x", "oui", host="https://a.example"), says("oui", "Trouvé.")), clock)
    conversation, held = fatou_writes("mercedes"), []

    def send_request(request, allowed_hosts):
        held.append(connection.connection)
        return engine.RequestResult(request.ref, status=200, content_type="text/plain", body="")

    monkeypatch.setattr("relais.flows.http_client.send_request", send_request)
    run_bot_with_requests(attempt(0), conversation.pk)
    assert held == [None]


def attempt(number):
    return SimpleNamespace(job=SimpleNamespace(attempts=number))


@pytest.fixture
def failing_engine(monkeypatch):
    """The engine raises `error` on every step, while it is set."""
    fault, step = SimpleNamespace(error=KeyError("widget")), engine.step

    def failing_step(*args, **more):
        if fault.error:
            raise fault.error
        return step(*args, **more)

    monkeypatch.setattr(engine, "step", failing_step)
    return fault


def run_attempt(conversation, number):
    """What the worker does: run the job, and ask for the retry decision."""
    with pytest.raises(Exception) as failure:
        run_bot(attempt(number), conversation.pk)
    retry = run_bot.retry_strategy.get_retry_decision(exception=failure.value, job=attempt(number).job)
    conversation.refresh_from_db()
    return retry


def test_after_the_last_attempt_the_first_message_waits_for_an_agent(
    question, fatou_writes, clock, failing_engine
):
    conversation = fatou_writes("mercedes")
    for number in range(MAX_ATTEMPTS - 1):
        assert run_attempt(conversation, number) is not None
        assert conversation.situation is Situation.BOT
    assert run_attempt(conversation, MAX_ATTEMPTS - 1) is None
    assert conversation.situation is Situation.WAITING
    assert event_types_of(conversation) == ["message_received", "error", "agent_transfer"]


def test_an_execution_that_fails_ends_and_is_not_woken_again(question, fatou_writes, clock, failing_engine):
    failing_engine.error = None
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    twilio_takes_all(clock)
    clock.passes(seconds=3)
    fatou_writes("un mot empoisonné")
    failing_engine.error = KeyError("widget")
    assert run_attempt(conversation, MAX_ATTEMPTS - 1) is None
    execution = conversation.executions.get()
    assert (execution.end_reason, execution.awaits_reply, execution.due_at) == ("failed", False, None)
    assert (conversation.situation, conversation.bot_waits_until) == (Situation.WAITING, None)
    assert not Execution.objects.due(clock.passes(hours=30)).exists()
    run_bot(attempt(0), conversation.pk)
    assert event_types_of(conversation)[-2:] == ["error", "agent_transfer"], "said once"


def test_database_errors_are_retried_without_limit(question, fatou_writes, clock, failing_engine):
    conversation = fatou_writes("mercedes")
    failing_engine.error = OperationalError("gone")
    assert run_attempt(conversation, 50) is not None
    assert event_types_of(conversation) == ["message_received"]
    failing_engine.error = None
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == ["Votre nom ?"]


def test_a_failing_bot_does_not_transfer_a_held_conversation(
    question, fatou_writes, clock, failing_engine, awa
):
    conversation = fatou_writes("mercedes")
    conversation.take_over(awa, at=clock.passes(seconds=1))
    runner.fail_execution(conversation.pk, at=clock.now)
    assert "error" not in event_types_of(conversation)


def test_a_job_killed_during_a_request_repeats_it_with_the_same_key(fatou_writes, clock):
    published(
        flow_of(posts("crm", "/clients", "dire", host="https://crm.example"), says("dire", "ok")), clock
    )
    conversation, keys = fatou_writes("mercedes"), []

    def killed(request):
        keys.append(request.key)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bot_runs(conversation, clock, fetch=killed)

    def answers(request):
        keys.append(request.key)
        return engine.RequestResult(request.ref, status=200, content_type="text/plain", body="")

    bot_runs(conversation, clock, fetch=answers)
    assert len(set(keys)) == 1 and len(keys) == 2
    assert messages_to_client(conversation) == ["ok"]


def test_a_response_after_a_take_over_is_ignored(fatou_writes, awa, clock):
    published(
        flow_of(posts("crm", "/clients", "dire", host="https://crm.example"), says("dire", "ok")), clock
    )
    conversation = fatou_writes("mercedes")

    def take_over_meanwhile(request):
        Conversation.objects.get(pk=conversation.pk).take_over(awa, at=clock.now)
        return engine.RequestResult(request.ref, status=200, content_type="text/plain", body="")

    bot_runs(conversation, clock, fetch=take_over_meanwhile)
    assert "ok" not in messages_to_client(conversation)


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


def test_a_local_function_runs(fatou_writes, clock):
    from relais.flows.local_functions import local_function

    @local_function("https://functions.example/prix")
    def prix(parameters):
        return {"prix": int(parameters["annee"]) * 100}

    runs = state(
        "prix",
        "run-function",
        [to("success", "dire"), to("fail")],
        url="https://functions.example/prix",
        parameters=[{"key": "annee", "value": "2026"}],
    )
    published(flow_of(runs, says("dire", "{{widgets.prix.parsed.prix}} DH")), clock)
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == ["202600 DH"]


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


def subflow_definition(text):
    return {
        "description": "",
        "initial_state": "Trigger",
        "flags": {},
        "states": [state("Trigger", "trigger", [to("incomingParent", "dit")]), says("dit", text)],
    }


@pytest.fixture
def published_subflow(clock):
    """A published sub-flow; the flow of the clients asks a question and then runs it."""
    subflow = Flow.objects.create(name="dessous")
    subflow.add_revision(subflow_definition("première version"), by="", at=clock.now).publish(at=clock.now)
    on = [to("completed"), to("failed", "excuse")]
    down = state(
        "descend", "run-subflow", on, flow_sid=subflow.sid, flow_revision="LatestPublished", parameters=[]
    )
    published(flow_of(asks("nom", "Votre nom ?", "descend"), down, says("excuse", "Pardon.")), clock)
    return subflow


def replies_with_subflow(fatou_writes, clock, meanwhile):
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    twilio_takes_all(clock)
    clock.passes(seconds=3)
    meanwhile()
    bot_runs(fatou_writes("Fatou"), clock)
    return messages_to_client(conversation)[1:]


def test_a_sub_flow_stays_on_its_revision_of_the_start(published_subflow, fatou_writes, clock):
    def publish_another():
        published_subflow.add_revision(subflow_definition("seconde version"), by="", at=clock.now).publish(
            at=clock.now
        )

    assert replies_with_subflow(fatou_writes, clock, publish_another) == ["première version"]


def test_an_old_execution_without_recorded_sub_flows_takes_the_published_one(
    published_subflow, fatou_writes, clock
):
    def forget_subflows():
        Execution.objects.update(subflows=None)

    assert replies_with_subflow(fatou_writes, clock, forget_subflows) == ["première version"]


def test_a_deleted_sub_flow_fails(published_subflow, fatou_writes, clock):
    assert replies_with_subflow(fatou_writes, clock, published_subflow.delete) == ["Pardon."]
