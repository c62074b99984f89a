"""Hooks under load: concurrent calls are stored once and in order, and do not hang when the database does."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from relais.conversations.models import Conversation, ConversationEvent
from relais.emulator.testing import wait_for
from relais.whatsapp.inbound import batch_connection, handlers, hooks
from tests.cast import FATOU, new_sid

from .conftest import holding_lock, message_params

pytestmark = pytest.mark.django_db(transaction=True)


def test_twenty_concurrent_repeats_are_stored_once_and_answered_the_same(call_concurrently):
    responses = call_concurrently([message_params(MessageSid=new_sid())] * 20, path="/api/twilio/incoming")
    assert {response.status_code for response in responses} == {200}
    assert len({response.text for response in responses}) == 1
    assert ConversationEvent.objects.count() == 1


def test_concurrent_messages_of_several_clients_leave_no_gap_in_seq(call_concurrently):
    responses = call_concurrently(
        [message_params(From=f"whatsapp:+2126000000{n % 7:02d}") for n in range(40)]
    )
    assert {response.status_code for response in responses} == {200}
    assert ConversationEvent.objects.count() == 40
    for conversation in Conversation.objects.all():
        seqs = list(conversation.events.order_by("seq").values_list("seq", flat=True))
        assert seqs == list(range(1, conversation.seq + 1))


def test_the_messages_of_one_client_keep_their_order(fatou_sends):
    for n in range(10):
        fatou_sends(str(n))
    assert [event.body for event in ConversationEvent.objects.order_by("seq")] == [str(n) for n in range(10)]


def test_a_message_that_cannot_be_stored_fails_alone(call_concurrently, monkeypatch):
    ingest = handlers.ingest

    def failing_ingest(messages, *, at):
        assert not any(message.body == "poison" for message in messages)
        return ingest(messages, at=at)

    monkeypatch.setattr(handlers, "ingest", failing_ingest)
    responses = call_concurrently([message_params("poison" if n == 5 else "Bonjour") for n in range(12)])
    assert [response.status_code for response in responses] == [500 if n == 5 else 200 for n in range(12)]
    assert ConversationEvent.objects.count() == 11


def test_a_full_queue_is_503_at_once(hook_routes, twilio, monkeypatch):
    monkeypatch.setattr(hook_routes.messages, "max_queued", 0)
    response = twilio.call("/api/twilio/message", message_params())
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


def test_a_locked_conversation_delays_no_other(
    hook_routes, call_concurrently, other_session, fatou_sends, monkeypatch
):
    monkeypatch.setattr(batch_connection, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(hook_routes.messages, "batch_timeout_seconds", 2)
    monkeypatch.setattr(hook_routes.messages, "max_wait_seconds", 2)
    fatou_sends()
    lock = f"select 1 from conversations where id = {Conversation.objects.get().pk} for update"
    with holding_lock(other_session, lock):
        responses = call_concurrently(
            [
                message_params(From=FATOU),
                *(message_params(From=f"whatsapp:+22507000000{n:02d}") for n in range(9)),
            ]
        )
    assert [response.status_code for response in responses] == [503] + [200] * 9
    assert ConversationEvent.objects.count() == 10


def test_a_message_of_a_locked_conversation_is_stored_once_the_lock_is_released(
    twilio, other_session, fatou_sends, monkeypatch
):
    monkeypatch.setattr(batch_connection, "LOCK_TIMEOUT", "50ms")
    fatou_sends()
    lock = f"select 1 from conversations where id = {Conversation.objects.get().pk} for update"
    with ThreadPoolExecutor(1) as executor:
        with holding_lock(other_session, lock):
            blocked = executor.submit(twilio.call, "/api/twilio/message", message_params(From=FATOU))
            others = [message_params(From=f"whatsapp:+22507000000{n:02d}") for n in range(3)]
            assert {twilio.call("/api/twilio/message", other).status_code for other in others} == {200}
            assert not blocked.done()
        assert blocked.result().status_code == 200
    assert ConversationEvent.objects.count() == 5


def test_a_locked_table_ends_in_503_and_the_repeated_message_is_stored_once(
    hook_routes, call_concurrently, twilio, other_session, monkeypatch
):
    monkeypatch.setattr(batch_connection, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(hook_routes.messages, "batch_timeout_seconds", 2)
    monkeypatch.setattr(hook_routes.messages, "max_wait_seconds", 2)
    messages = [message_params() for _ in range(5)]
    with holding_lock(other_session, "lock table conversation_events in access exclusive mode"):
        assert {response.status_code for response in call_concurrently(messages)} == {503}
    assert {response.status_code for response in call_concurrently(messages)} == {200}
    assert ConversationEvent.objects.count() == 5


def test_unbatched_hooks_time_out_before_twilio_does(twilio, with_bot, other_session, monkeypatch):
    monkeypatch.setattr(hooks, "CALL_TIMEOUT_SECONDS", 0.5)
    choice = {
        "conversation_id": with_bot.pk,
        "menu_choice": "sav",
        "user_input": "2",
        "message_sid": new_sid(),
    }
    with holding_lock(other_session, f"select 1 from conversations where id = {with_bot.pk} for update"):
        assert twilio.call("/api/twilio/menu-choice", choice).status_code == 503
    monkeypatch.setattr(hooks, "CALL_TIMEOUT_SECONDS", 10)
    assert twilio.call("/api/twilio/menu-choice", choice).status_code == 200
    wait_for(lambda: with_bot.events.filter(event_type="menu_choice").count() == 1, what="the choice, once")


def test_a_frozen_connection_is_aborted_and_the_next_message_uses_a_new_one(
    hook_routes, twilio, other_session, monkeypatch
):
    monkeypatch.setattr(hook_routes.messages, "batch_timeout_seconds", 2)
    monkeypatch.setattr(batch_connection, "LOCK_TIMEOUT", "30s")
    frozen, message = [], message_params()
    lock_waits = (
        "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    )
    try:
        with ThreadPoolExecutor(1) as executor:
            with holding_lock(other_session, "lock table conversation_events in access exclusive mode"):
                response = executor.submit(twilio.call, "/api/twilio/message", message)
                [(pid,)] = wait_for(
                    lambda: other_session.execute(lock_waits).fetchall(),
                    what="the batch to wait for the lock",
                )
                os.kill(pid, signal.SIGSTOP)
                frozen.append(pid)
            assert response.result().status_code == 503
        monkeypatch.setattr(hook_routes.messages, "batch_timeout_seconds", 8)
        assert twilio.call("/api/twilio/message", message).status_code == 200
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert ConversationEvent.objects.count() == 1
    is_alive = "select 1 from pg_stat_activity where pid = %s"
    wait_for(lambda: not other_session.execute(is_alive, frozen).fetchall(), what="the frozen backend to end")


def test_after_a_restart_of_the_database_the_first_message_is_stored(fatou_sends, other_session):
    """The connection kept by the batcher is dead, and nothing has noticed yet."""
    assert fatou_sends().status_code == 200
    end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid <> pg_backend_pid() and datname = %s"
    other_session.execute(end, [other_session.info.dbname])
    connection.close()
    assert fatou_sends().status_code == 200
