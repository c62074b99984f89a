"""Requests of flows: local hooks and functions, and foreign hosts between two transactions."""

import json

import pytest
from django.db import connection

from relais.conversations.models import Conversation
from relais.conversations.states import Situation
from relais.flows import engine
from relais.flows.tasks import run_bot_with_requests
from relais.flows.tests.builders import (
    attempt,
    bot_runs,
    flow_of,
    posts,
    published,
    says,
    state,
    to,
)
from tests.cast import event_types_of, messages_to_client

pytestmark = pytest.mark.django_db


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
