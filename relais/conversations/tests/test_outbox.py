"""Who leaves next, and how fast: one bucket for each of our numbers, shared by all processes."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from relais.conversations import outbox
from relais.conversations.events import BOT
from relais.conversations.models import MessageDelivery, SenderPace
from relais.conversations.tests.test_inbound import at_once
from tests.cast import OUR_NUMBER, MachineClock

pytestmark = pytest.mark.django_db
ANOTHER = "whatsapp:+212522000001"


@pytest.fixture
def clock():
    """The outbox asks the database what time it is."""
    return MachineClock()


@pytest.fixture
def menus(fatou_writes):
    """Menus of the bot for so many clients, each waiting to leave."""

    def menus(number, *, sender=OUR_NUMBER, start=0):
        known(sender)
        said = []
        for n in range(start, start + number):
            conversation = fatou_writes(address=f"whatsapp:+2127{n:08d}", sender=sender)
            said.append(conversation.say_as_program("Menu", by=BOT, at=timezone.now()))
        return said

    return menus


def known(sender, *, tokens=1000.0):
    SenderPace.objects.update_or_create(
        sender=sender, defaults={"tokens": tokens, "counted_at": timezone.now()}
    )


def turn(*, by="p", rate=1000.0, most=32, automatic=32, **more):
    return outbox.next_turn(by=by, rate=rate, most=most, automatic=automatic, **more)


def left(turn):
    return [delivery.pk for delivery in turn.claimed]


def test_all_that_may_leave_is_claimed_at_once(menus):
    said = menus(3)
    now = turn()
    assert left(now) == [each.pk for each in said]
    for delivery in now.claimed:
        assert (delivery.state, delivery.claimed_by, delivery.attempt) == ("sending", "p", 1)
        stored = MessageDelivery.objects.select_related("conversation").get(pk=delivery.pk)
        assert (stored.state, stored.rev, stored.attempt) == ("sending", stored.conversation.rev, 1)
    assert left(turn()) == []


def test_no_more_than_the_rate_and_its_small_reserve(menus):
    menus(16)
    known(OUR_NUMBER, tokens=-1)
    assert len(turn(rate=1).claimed) == 0
    known(OUR_NUMBER, tokens=1000)
    now = turn(rate=80)
    assert len(now.claimed) == 12
    assert now.wait == pytest.approx(0.05)
    [[tokens]] = SenderPace.objects.values_list("tokens")
    assert tokens == pytest.approx(0, abs=0.01)


def test_a_rate_of_one_lets_one_leave(menus):
    menus(3)
    known(OUR_NUMBER, tokens=1000)
    assert len(turn(rate=1).claimed) == 1


def test_tokens_come_back_with_time(menus):
    menus(12)
    SenderPace.objects.update(tokens=0, counted_at=timezone.now() - timedelta(seconds=0.05))
    assert len(turn(rate=80).claimed) in (4, 5)


def test_a_new_number_is_known_from_the_next_look_on(menus, fatou_writes):
    [said] = menus(1)
    SenderPace.objects.all().delete()
    first = turn()
    assert (left(first), first.wait) == ([], 0.0)
    SenderPace.objects.update(counted_at=timezone.now() - timedelta(seconds=1))
    assert left(turn()) == [said.pk]


def test_a_number_without_tokens_keeps_no_other_waiting(menus):
    menus(5)
    [other] = menus(1, sender=ANOTHER)
    known(OUR_NUMBER, tokens=-1000)
    narrow = turn(wide=False)
    assert (left(narrow), narrow.wait is not None) == ([], True)
    wide = turn()
    assert left(wide) == [other.pk]
    assert wide.wide


def test_a_number_that_twilio_finds_too_fast_goes_slower_for_as_long_as_it_said(menus):
    menus(8)
    outbox.slow_down(OUR_NUMBER, seconds=60)
    assert len(turn(rate=80).claimed) == 3
    SenderPace.objects.update(slow_until=timezone.now(), tokens=1000)
    assert len(turn(rate=80).claimed) == 5


def test_a_longer_slowness_is_not_cut_short_by_a_shorter_one(menus):
    menus(1)
    outbox.slow_down(OUR_NUMBER, seconds=60)
    before = SenderPace.objects.get().slow_until
    outbox.slow_down(OUR_NUMBER, seconds=1)
    assert SenderPace.objects.get().slow_until == before


def test_a_person_finds_a_thread_where_automatic_messages_fill_the_others(menus, held_by_awa, awa):
    menus(6)
    [told] = held_by_awa.deliveries.all()
    assert told.by_person
    now = turn(most=4, automatic=2)
    assert left(now)[0] == told.pk
    assert len(now.claimed) == 2
    assert left(turn(most=2, automatic=0)) == []


def test_what_a_take_over_silenced_is_not_claimed(with_bot, awa, clock):
    stale = with_bot.say_as_program("Menu", by=BOT, at=clock.now)
    with_bot.take_over(awa, at=clock.now)
    known(OUR_NUMBER)
    now = turn()
    assert (left(now), [each.pk for each in now.stale]) == ([], [stale.pk])


def test_what_is_set_aside_is_not_touched(menus):
    first, second = menus(2)
    assert left(turn(without={first.pk})) == [second.pk]


# -- clocks that are set ------------------------------------------------------------------------------------


def test_a_first_try_waits_for_no_clock(with_bot):
    """It was written by a machine whose clock was an hour ahead."""
    said = with_bot.say_as_program("Menu", by=BOT, at=timezone.now() + timedelta(hours=1))
    known(OUR_NUMBER)
    assert left(turn()) == [said.pk]


def test_a_pause_from_before_the_clock_was_set_back_is_over(menus):
    [said] = menus(1)
    MessageDelivery.objects.update(attempt=1, not_before=timezone.now() + timedelta(minutes=4))
    assert left(turn()) == []
    MessageDelivery.objects.update(not_before=timezone.now() + timedelta(hours=1))
    assert left(turn()) == [said.pk]


def test_a_doubt_from_before_the_clock_was_set_back_holds_nobody_up(held_by_awa, awa, clock):
    first = held_by_awa.deliveries.get()
    second = held_by_awa.say_as_agent("ensuite", agent=awa, at=clock.now)
    assert first.claim(by="p", at=clock.now)
    first.doubt(at=clock.now, error="?")
    assert not MessageDelivery.objects.due(clock.now).exists()
    assert list(MessageDelivery.objects.due(clock.now - timedelta(hours=1))) == [second]


def test_a_bucket_counted_in_the_future_is_full(menus):
    menus(16)
    SenderPace.objects.update(tokens=0, counted_at=timezone.now() + timedelta(hours=1))
    assert len(turn(rate=80).claimed) == 12


# -- rivals -------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_look_at_once_each_message_has_one_and_the_rate_holds(menus):
    said = menus(40)
    turns = at_once(lambda n: turn(by=f"p{n}", rate=40), 8)
    claimed = [pk for each in turns for pk in left(each)]
    assert len(claimed) == len(set(claimed))
    assert 6 <= len(claimed) < len(said), "a bucket of 6, and what came in while they looked"
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_conversation_that_somebody_holds_keeps_nobody_waiting(menus):
    first, second = menus(2)

    def look(holds):
        from django.db import transaction

        if not holds:
            held.wait(5)
            found = left(turn())
            looked.set()
            return found
        with transaction.atomic():
            first.conversation.locked()
            held.set()
            assert looked.wait(5)
        return None

    import threading

    held, looked = threading.Event(), threading.Event()
    assert at_once(look, 2)[0] == [second.pk]
    assert left(turn()) == [first.pk]
    connection.close()


def test_what_waits_is_never_held_against_all_else_that_waits(clock):
    """Where few ever waited, a join of the outbox with itself looks cheap, and takes seconds when many do."""
    plan = MessageDelivery.objects.due(clock.now).explain()
    assert "Join" not in plan, plan
    assert "Nested Loop" not in plan, plan
