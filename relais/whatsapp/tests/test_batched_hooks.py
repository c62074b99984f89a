"""Many at once at the hook_routes: each stored once, in order, and nobody hangs when the database does."""

import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection

from relais.conversations.events import SYSTEM
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.emulator.testing import wait_for
from relais.live.pool import conninfo
from relais.whatsapp.inbound import batch_connection, handlers, hooks
from relais.whatsapp.inbound.status_callbacks import StatusUpdate, apply_status_updates
from tests.cast import FATOU, OUR_NUMBER, new_sid

from .conftest import Twilio, inbound

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def crowd(desk):
    """Calls all at the same time, each on a connection of its own; returns their answers in order."""

    def calls(messages, path="/api/twilio/message"):
        paths = [path] * len(messages) if isinstance(path, str) else path
        with ThreadPoolExecutor(len(messages)) as callers:
            return list(callers.map(lambda *call: Twilio(desk).calls(*call), paths, messages))

    return calls


@pytest.fixture
def other_session(db):
    """A connection beside all others."""
    with psycopg.connect(conninfo(), autocommit=True) as one:
        yield one


@contextmanager
def kept(other_session, what):
    with other_session.transaction():
        other_session.execute(what)
        yield


def test_one_message_twenty_times_at_once_is_stored_once_and_answered_alike(crowd):
    answers = crowd([inbound(MessageSid=new_sid())] * 20, path="/api/twilio/incoming")
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert ConversationEvent.objects.count() == 1


def test_a_crowd_of_clients_is_stored_without_a_hole(crowd):
    answers = crowd([inbound(From=f"whatsapp:+2126000000{n % 7:02d}") for n in range(40)])
    assert {answer.status_code for answer in answers} == {200}
    assert ConversationEvent.objects.count() == 40
    for conversation in Conversation.objects.all():
        seqs = list(conversation.events.order_by("seq").values_list("seq", flat=True))
        assert seqs == list(range(1, conversation.seq + 1))


def test_what_one_client_writes_stands_in_the_order_it_came(fatou_sends):
    for n in range(10):
        fatou_sends(str(n))
    assert [event.body for event in ConversationEvent.objects.order_by("seq")] == [str(n) for n in range(10)]


def test_one_poisonous_message_harms_no_neighbour(crowd, monkeypatch):
    ingest = handlers.ingest

    def allergic(messages, *, at):
        assert not any(message.body == "poison" for message in messages)
        return ingest(messages, at=at)

    monkeypatch.setattr(handlers, "ingest", allergic)
    answers = crowd([inbound("poison" if n == 5 else "Bonjour") for n in range(12)])
    assert [answer.status_code for answer in answers] == [500 if n == 5 else 200 for n in range(12)]
    assert ConversationEvent.objects.count() == 11


def test_too_many_waiting_are_sent_away_at_once(hook_routes, twilio, monkeypatch):
    monkeypatch.setattr(hook_routes.messages, "max_queued", 0)
    answer = twilio.calls("/api/twilio/message", inbound())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_a_conversation_that_someone_keeps_harms_no_other(
    hook_routes, crowd, other_session, fatou_sends, monkeypatch
):
    monkeypatch.setattr(batch_connection, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(hook_routes.messages, "batch_timeout_seconds", 2)
    monkeypatch.setattr(hook_routes.messages, "max_wait_seconds", 2)
    fatou_sends()
    hers = f"select 1 from conversations where id = {Conversation.objects.get().pk} for update"
    with kept(other_session, hers):
        answers = crowd(
            [inbound(From=FATOU), *(inbound(From=f"whatsapp:+22507000000{n:02d}") for n in range(9))]
        )
    assert [answer.status_code for answer in answers] == [503] + [200] * 9
    assert ConversationEvent.objects.count() == 10


def test_what_a_conversation_is_kept_from_is_stored_once_it_is_free(
    twilio, other_session, fatou_sends, monkeypatch
):
    monkeypatch.setattr(batch_connection, "LOCK_TIMEOUT", "50ms")
    fatou_sends()
    hers = f"select 1 from conversations where id = {Conversation.objects.get().pk} for update"
    with ThreadPoolExecutor(1) as another:
        with kept(other_session, hers):
            held = another.submit(twilio.calls, "/api/twilio/message", inbound(From=FATOU))
            others = [inbound(From=f"whatsapp:+22507000000{n:02d}") for n in range(3)]
            assert {twilio.calls("/api/twilio/message", other).status_code for other in others} == {200}
            assert not held.done()
        assert held.result().status_code == 200
    assert ConversationEvent.objects.count() == 5


def test_a_locked_table_ends_in_503_and_the_repeated_message_is_stored_once(
    hook_routes, crowd, twilio, other_session, monkeypatch
):
    monkeypatch.setattr(batch_connection, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(hook_routes.messages, "batch_timeout_seconds", 2)
    monkeypatch.setattr(hook_routes.messages, "max_wait_seconds", 2)
    messages = [inbound() for _ in range(5)]
    with kept(other_session, "lock table conversation_events in access exclusive mode"):
        assert {answer.status_code for answer in crowd(messages)} == {503}
    assert {answer.status_code for answer in crowd(messages)} == {200}
    assert ConversationEvent.objects.count() == 5


def test_studio_s_other_hooks_hang_no_longer_than_twilio_waits(twilio, with_bot, other_session, monkeypatch):
    monkeypatch.setattr(hooks, "CALL_TIMEOUT_SECONDS", 0.5)
    choice = {
        "conversation_id": with_bot.pk,
        "menu_choice": "sav",
        "user_input": "2",
        "message_sid": new_sid(),
    }
    with kept(other_session, f"select 1 from conversations where id = {with_bot.pk} for update"):
        assert twilio.calls("/api/twilio/menu-choice", choice).status_code == 503
    monkeypatch.setattr(hooks, "CALL_TIMEOUT_SECONDS", 10)
    assert twilio.calls("/api/twilio/menu-choice", choice).status_code == 200
    wait_for(lambda: with_bot.events.filter(event_type="menu_choice").count() == 1, what="the choice, once")


def test_a_frozen_connection_is_given_up_and_the_next_message_takes_another(
    hook_routes, twilio, other_session, monkeypatch
):
    monkeypatch.setattr(hook_routes.messages, "batch_timeout_seconds", 2)
    monkeypatch.setattr(batch_connection, "LOCK_TIMEOUT", "30s")
    frozen, message = [], inbound()
    waiting = (
        "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    )
    try:
        with ThreadPoolExecutor(1) as another:
            with kept(other_session, "lock table conversation_events in access exclusive mode"):
                answer = another.submit(twilio.calls, "/api/twilio/message", message)
                [(pid,)] = wait_for(
                    lambda: other_session.execute(waiting).fetchall(), what="the hook_routes to wait"
                )
                os.kill(pid, signal.SIGSTOP)
                frozen.append(pid)
            assert answer.result().status_code == 503
        monkeypatch.setattr(hook_routes.messages, "batch_timeout_seconds", 8)
        assert twilio.calls("/api/twilio/message", message).status_code == 200
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert ConversationEvent.objects.count() == 1
    gone = "select 1 from pg_stat_activity where pid = %s"
    wait_for(lambda: not other_session.execute(gone, frozen).fetchall(), what="the frozen one to end")


def test_after_a_restart_of_the_database_the_first_message_is_stored(fatou_sends, other_session):
    """The connection that was kept is dead, and nobody noticed."""
    assert fatou_sends().status_code == 200
    end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid <> pg_backend_pid() and datname = %s"
    other_session.execute(end, [other_session.info.dbname])
    connection.close()
    assert fatou_sends().status_code == 200


# -- status callbacks --------------------------------------------------------------------------------


@pytest.fixture
def left(fatou_writes, clock):
    """As many messages as asked for, each to a client of its own, on their way with no answer of Twilio's yet."""

    def leave(count):
        for n in range(count):
            conversation = fatou_writes(address=f"whatsapp:+2126100000{n:02d}")
            delivery = conversation.send_automatic(f"{n}", by=SYSTEM, at=clock.now)
            assert delivery.claim(by="p", at=clock.now)
        return list(MessageDelivery.objects.order_by("id"))

    return leave


def status_update(delivery, status, *, sid=None, by_ref=True, code=None):
    """What Twilio says of it."""
    to = delivery.conversation.address.address
    return StatusUpdate(sid or f"SM{delivery.pk:032d}", status, code, to, str(delivery.pk) if by_ref else "")


def test_statuses_of_many_shuffled_twice_and_all_at_once_end_right(left, crowd, clock):
    deliveries = left(6)
    all_of_it = [(d, status) for d in deliveries for status in ("sent", "delivered", "read")] * 2
    random.Random(4).shuffle(all_of_it)

    def callback(delivery, status):
        to = delivery.conversation.address.address
        return {"MessageSid": f"SM{delivery.pk:032d}", "MessageStatus": status, "To": to, "From": OUR_NUMBER}

    by_ref = [f"/api/twilio/status?ref={delivery.pk}" for delivery, _ in all_of_it]
    answers = crowd([callback(*one) for one in all_of_it], path=by_ref)
    assert {answer.status_code for answer in answers} == {204}
    for delivery in MessageDelivery.objects.all():
        assert (delivery.state, delivery.sid) == ("read", f"SM{delivery.pk:032d}")
    for conversation in Conversation.objects.all():
        revs = [*conversation.events.values_list("rev", flat=True), conversation.deliveries.get().rev]
        assert conversation.rev == max(revs), "raised with each move and by nothing else"


def test_within_one_batch_a_sid_is_learnt_by_ref_and_then_known(left, clock):
    [delivery] = left(1)
    apply_status_updates(
        [status_update(delivery, "sent"), status_update(delivery, "delivered", by_ref=False)], at=clock.now
    )
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_within_one_batch_the_first_error_stays(left, clock):
    [delivery] = left(1)
    apply_status_updates(
        [status_update(delivery, "undelivered", code=63024), status_update(delivery, "failed", code=63049)],
        at=clock.now,
    )
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_code) == ("failed", 63024)


def test_one_batch_tells_of_many_and_what_is_unknown_harms_none(left, clock):
    one, other, blocked = left(3)
    unknown = StatusUpdate("SM" + "f" * 32, "delivered", None, FATOU, "")
    misled = status_update(other, "delivered", sid="SM" + "e" * 32)
    apply_status_updates(
        [
            status_update(one, "read"),
            unknown,
            status_update(other, "sent"),
            misled,
            status_update(blocked, "failed", code=63014),
            status_update(one, "sent"),
        ],
        at=clock.now,
    )
    states = list(MessageDelivery.objects.order_by("id").values_list("state", flat=True))
    assert states == ["read", "sent", "failed"]
    assert blocked.conversation.address.__class__.objects.get(conversations=blocked.conversation).opted_out_at


def test_a_status_is_noted_only_with_the_commit(hook_routes, left, twilio, other_session, monkeypatch):
    monkeypatch.setattr(batch_connection, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(hook_routes.statuses, "batch_timeout_seconds", 2)
    monkeypatch.setattr(hook_routes.statuses, "max_wait_seconds", 2)
    [delivery] = left(1)
    callback = {"MessageSid": new_sid(), "MessageStatus": "sent", "To": delivery.conversation.address.address}
    path = f"/api/twilio/status?ref={delivery.pk}"
    with kept(other_session, "lock table message_deliveries in access exclusive mode"):
        assert twilio.calls(path, callback).status_code == 503
    assert twilio.calls(path, callback).status_code == 204
    delivery.refresh_from_db()
    assert delivery.state == "sent"
