"""Failures of the bot: retries, and the hand-over to an agent after the last attempt."""

from types import SimpleNamespace

import pytest
from django.db import OperationalError

from relais.conversations.states import Situation
from relais.flows import engine, runner
from relais.flows.models import Execution
from relais.flows.tasks import MAX_ATTEMPTS, run_bot
from relais.flows.tests.builders import attempt, bot_runs, twilio_takes_all
from tests.cast import event_types_of, messages_to_client

pytestmark = pytest.mark.django_db


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
