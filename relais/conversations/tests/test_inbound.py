"""Ingesting messages of clients: idempotent, in order, and answered the same each time."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from relais.clients.models import Client, ClientAddress
from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMedia, InboundMessage
from relais.conversations.lifecycle import end_inactive
from relais.conversations.models import Conversation, ConversationEvent
from relais.conversations.service_window import SERVICE_WINDOW
from tests.cast import FATOU, IBRAHIM, OUR_NUMBER, event_types_of, new_sid


def message(body="Bonjour", *, address=FATOU, sid=None, **fields):
    sid = sid or new_sid()
    return InboundMessage(
        sid=sid, address=address, sender=OUR_NUMBER, body=body, profile_name="Fatou", **fields
    )


@pytest.mark.django_db
def test_many_at_once_keep_their_order_and_leave_no_gap(clock):
    batch = [message(str(n), address=(FATOU, IBRAHIM)[n % 2]) for n in range(40)]
    ingest(batch, at=clock.now)
    for address, expected in ((FATOU, range(0, 40, 2)), (IBRAHIM, range(1, 40, 2))):
        conversation = Conversation.objects.get(address__address=address)
        events = conversation.events.order_by("seq")
        assert [e.body for e in events] == [str(n) for n in expected]
        assert [e.seq for e in events] == list(range(1, 21))
        assert [e.rev for e in events] == list(range(1, 21))
        assert (conversation.seq, conversation.rev, conversation.last_inbound_seq) == (20, 20, 20)


@pytest.mark.django_db
def test_a_repeated_message_writes_nothing_and_is_answered_as_the_first_time(waiting, clock):
    first = message("allô")
    answer = ingest([first], at=clock.now)[first.sid]
    story = event_types_of(waiting)
    again = ingest([first, first], at=clock.passes(minutes=30))[first.sid]
    assert again == answer
    assert answer.waiting_due
    assert event_types_of(waiting) == story


@pytest.mark.django_db
def test_the_waiting_text_is_due_again_once_the_agent_is_gone(held_by_awa, awa, clock):
    def due():
        new = message()
        return ingest([new], at=clock.passes(minutes=1))[new.sid].waiting_due

    held_by_awa.send_as_agent("Je regarde.", agent=awa, at=clock.passes(minutes=1))
    assert not due()
    held_by_awa.release(awa, at=clock.passes(minutes=1))
    assert due()
    assert not due(), "one was due a minute ago"
    held_by_awa.take_over(awa, at=clock.passes(minutes=11))
    assert not due()


@pytest.mark.django_db
def test_a_batch_of_new_and_known_messages_answers_all(clock):
    known, new = message("un"), message("deux")
    ingest([known], at=clock.now)
    answers = ingest([known, new], at=clock.now)
    assert set(answers) == {known.sid, new.sid}
    assert ConversationEvent.objects.count() == 2


@pytest.mark.django_db
def test_a_client_exists_from_his_second_message_on(clock):
    first, second = message(), message()
    assert ingest([first], at=clock.now)[first.sid].client_existed is False
    assert ingest([second], at=clock.now)[second.sid].client_existed is True
    assert ingest([first], at=clock.now)[first.sid].client_existed is False


@pytest.mark.django_db
def test_two_first_messages_in_one_batch_make_one_client(clock):
    first, second = message(), message()
    answers = ingest([first, second], at=clock.now)
    assert [answers[m.sid].client_existed for m in (first, second)] == [False, True]
    assert Client.objects.count() == ClientAddress.objects.count() == Conversation.objects.count() == 1


@pytest.mark.django_db
def test_a_profile_name_follows_the_client_and_never_the_given_name(clock):
    ingest([message()], at=clock.now)
    Client.objects.update(client_full_name="Fatou Diallo")
    ingest(
        [InboundMessage(sid=new_sid(), address=FATOU, sender=OUR_NUMBER, body="", profile_name="Fa 🌸")],
        at=clock.now,
    )
    client = Client.objects.get()
    assert (client.whatsapp_profile_name, client.client_full_name) == ("Fa 🌸", "Fatou Diallo")


@pytest.mark.django_db
def test_a_client_who_writes_again_opts_in(clock):
    ingest([message()], at=clock.now)
    ClientAddress.objects.update(opted_out_at=clock.now)
    ingest([message()], at=clock.now)
    assert ClientAddress.objects.get().opted_out_at is None


@pytest.mark.django_db
def test_the_same_client_on_another_number_of_ours_has_another_conversation(fatou_writes):
    assert fatou_writes().pk != fatou_writes(sender="whatsapp:+212522000000").pk
    assert Client.objects.count() == 1


@pytest.mark.django_db
def test_a_picture_is_kept_with_its_message_and_fetched_by_a_job(clock):
    sent = message(media=(InboundMedia("https://api.twilio.com/x", "image/jpeg"),))
    ingest([sent, sent], at=clock.now)
    event = ConversationEvent.objects.get()
    assert [m.url for m in event.media.all()] == ["https://api.twilio.com/x"]
    with connection.cursor() as cursor:
        cursor.execute("select task_name, args from procrastinate_jobs")
        assert cursor.fetchall() == [
            ("relais.whatsapp.tasks.fetch_media", f'{{"media_id": {event.media.get().pk}}}')
        ]


@pytest.mark.django_db
def test_the_column_defaults_are_the_first_state_of_the_lifecycle(with_bot):
    from relais.conversations.states import Status

    row = Conversation.objects.values().get(pk=with_bot.pk)
    assert row["status"] == Status.ACTIVE
    assert (row["agent_id"], row["epoch"], row["current_menu"], row["menu_path"]) == (
        None,
        0,
        "main_menu",
        [],
    )
    assert (row["ended_at"], row["duration_seconds"], row["transferred_at"]) == (None, None, None)
    assert len(row["session_id"]) == 36


def run_concurrently(work, threads):
    """Run `work(n)` in that many threads that start together; returns their results or exceptions in order."""
    barrier, results = threading.Barrier(threads), [None] * threads

    def run(n):
        barrier.wait()
        try:
            results[n] = work(n)
        except Exception as error:
            results[n] = error
        finally:
            connection.close()

    started = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_first_messages_at_the_same_instant_open_one_conversation(clock):
    for _round in range(10):
        address = f"whatsapp:+2126{_round:08d}"
        answers = run_concurrently(lambda n: ingest([message(str(n), address=address)], at=clock.now), 6)
        assert all(isinstance(a, dict) for a in answers), answers
        conversation = Conversation.objects.get(address__address=address)
        assert list(conversation.events.order_by("seq").values_list("seq", flat=True)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.django_db(transaction=True)
def test_a_message_delivered_six_times_at_once_is_stored_once(clock):
    for _round in range(10):
        same = message(address=f"whatsapp:+2127{_round:08d}")
        answers = run_concurrently(lambda n: ingest([same], at=clock.now)[same.sid], 6)
        assert len(set(map(repr, answers))) == 1, answers
        assert Conversation.objects.get(address__address=same.address).seq == 1


@pytest.mark.django_db(transaction=True)
def test_batches_in_opposite_order_do_not_deadlock_for_good(clock):
    addresses = [f"whatsapp:+2128{n:08d}" for n in range(8)]

    def batch(n):
        order = addresses if n % 2 else addresses[::-1]
        return ingest([message(f"{n}", address=a) for a in order], at=clock.now)

    answers = run_concurrently(batch, 4)
    assert all(isinstance(a, dict) for a in answers), answers
    assert ConversationEvent.objects.count() == 32


@pytest.mark.django_db(transaction=True)
def test_concurrent_messages_while_waiting_get_one_waiting_text(fatou_writes, clock):
    from relais.conversations.events import BOT

    for _round in range(10):
        address = f"whatsapp:+2129{_round:08d}"
        conversation = fatou_writes(address=address)
        conversation.ask_for_agent(by=BOT, at=clock.now)
        run_concurrently(lambda n: ingest([message(address=address, bot_here=True)], at=clock.now), 4)
        assert conversation.deliveries.count() == 1


@pytest.mark.django_db
def test_a_message_that_reaches_us_late_opens_no_window_that_has_passed(clock):
    """Twilio or we were down: the window runs from when it was written, the order from when it is stored."""
    written = clock.now
    late = message("hier", occurred_at=written)
    answer = ingest([late], at=clock.passes(hours=30))[late.sid]
    conversation = Conversation.objects.get()
    assert conversation.window_closes_at() == written + SERVICE_WINDOW < clock.now
    assert conversation.last_activity_at == conversation.started_at == clock.now
    event = conversation.events.get()
    assert (event.created_at, event.written_at) == (clock.now, written)
    assert answer.occurred_at == written.isoformat()
    ingest([message("aujourd'hui"), message("hier aussi", occurred_at=written)], at=clock.now)
    assert conversation.window_closes_at() == clock.now + SERVICE_WINDOW
    ingest([message("avant-hier", occurred_at=written)], at=clock.passes(hours=1))
    assert conversation.window_closes_at() == clock.now + SERVICE_WINDOW - timedelta(hours=1)


@pytest.mark.django_db
def test_a_conversation_opened_by_a_late_message_is_not_ended_at_once_for_inactivity(clock):
    ingest([message("hier", occurred_at=clock.now)], at=clock.passes(hours=30))
    conversations = Conversation.objects.all()
    assert end_inactive(conversations, inactive_since=clock.now - SERVICE_WINDOW, at=clock.now) == 0
    at = clock.passes(hours=24, seconds=1)
    assert end_inactive(conversations, inactive_since=at - SERVICE_WINDOW, at=at) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("bot_here", [False, True])
def test_a_late_message_gets_the_waiting_text_only_if_the_bot_runs_here(waiting, clock, bot_here):
    late = message("allô", occurred_at=clock.now, bot_here=bot_here)
    assert ingest([late], at=clock.passes(minutes=5))[late.sid].waiting_due is bot_here
