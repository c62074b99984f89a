"""Who leaves next, and how fast: one bucket for each of our numbers, shared by all processes."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from relais.conversations import outbox
from relais.conversations.events import BOT
from relais.conversations.models import MessageDelivery, SenderRateLimit
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
        set_bucket(sender)
        said = []
        for n in range(start, start + number):
            conversation = fatou_writes(address=f"whatsapp:+2127{n:08d}", sender=sender)
            said.append(conversation.send_as_program("Menu", by=BOT, at=timezone.now()))
        return said

    return menus


def set_bucket(sender, *, tokens=1000.0):
    SenderRateLimit.objects.update_or_create(
        sender=sender, defaults={"tokens": tokens, "counted_at": timezone.now()}
    )


def claim_batch(*, by="p", rate=1000.0, limit=32, automatic_limit=32, **options):
    return outbox.claim_batch(by=by, rate=rate, limit=limit, automatic_limit=automatic_limit, **options)


def claimed_ids(batch):
    return [delivery.pk for delivery in batch.claimed]


def test_all_that_may_leave_is_claimed_at_once(menus):
    said = menus(3)
    batch = claim_batch()
    assert claimed_ids(batch) == [each.pk for each in said]
    for delivery in batch.claimed:
        assert (delivery.state, delivery.claimed_by, delivery.attempt) == ("sending", "p", 1)
        stored = MessageDelivery.objects.select_related("conversation").get(pk=delivery.pk)
        assert (stored.state, stored.rev, stored.attempt) == ("sending", stored.conversation.rev, 1)
    assert claimed_ids(claim_batch()) == []


def test_no_more_than_the_rate_and_its_small_reserve(menus):
    menus(16)
    set_bucket(OUR_NUMBER, tokens=-1)
    assert len(claim_batch(rate=1).claimed) == 0
    set_bucket(OUR_NUMBER, tokens=1000)
    batch = claim_batch(rate=80)
    assert len(batch.claimed) == 12
    assert batch.wait_seconds == pytest.approx(0.05)
    [[tokens]] = SenderRateLimit.objects.values_list("tokens")
    assert tokens == pytest.approx(0, abs=0.01)


def test_a_rate_of_one_lets_one_leave(menus):
    menus(3)
    set_bucket(OUR_NUMBER, tokens=1000)
    assert len(claim_batch(rate=1).claimed) == 1


def test_tokens_come_back_with_time(menus):
    menus(12)
    SenderRateLimit.objects.update(tokens=0, counted_at=timezone.now() - timedelta(seconds=0.05))
    assert len(claim_batch(rate=80).claimed) in (4, 5)


def test_a_new_number_is_known_from_the_next_look_on(menus, fatou_writes):
    [said] = menus(1)
    SenderRateLimit.objects.all().delete()
    first = claim_batch()
    assert (claimed_ids(first), first.wait_seconds) == ([], 0.0)
    SenderRateLimit.objects.update(counted_at=timezone.now() - timedelta(seconds=1))
    assert claimed_ids(claim_batch()) == [said.pk]


def test_a_number_without_tokens_keeps_no_other_waiting(menus):
    menus(5)
    [other] = menus(1, sender=ANOTHER)
    set_bucket(OUR_NUMBER, tokens=-1000)
    narrow = claim_batch(skip_senders=False)
    assert (claimed_ids(narrow), narrow.wait_seconds is not None) == ([], True)
    wide = claim_batch()
    assert claimed_ids(wide) == [other.pk]
    assert wide.skipped_senders


def test_a_number_that_twilio_finds_too_fast_goes_slower_for_as_long_as_it_said(menus):
    menus(8)
    outbox.throttle(OUR_NUMBER, seconds=60)
    assert len(claim_batch(rate=80).claimed) == 3
    SenderRateLimit.objects.update(slow_until=timezone.now(), tokens=1000)
    assert len(claim_batch(rate=80).claimed) == 5


def test_a_longer_slowness_is_not_cut_short_by_a_shorter_one(menus):
    menus(1)
    outbox.throttle(OUR_NUMBER, seconds=60)
    before = SenderRateLimit.objects.get().slow_until
    outbox.throttle(OUR_NUMBER, seconds=1)
    assert SenderRateLimit.objects.get().slow_until == before


def test_a_person_finds_a_thread_where_automatic_messages_fill_the_others(menus, held_by_awa, awa):
    menus(6)
    [told] = held_by_awa.deliveries.all()
    assert told.by_person
    batch = claim_batch(limit=4, automatic_limit=2)
    assert claimed_ids(batch)[0] == told.pk
    assert len(batch.claimed) == 2
    assert claimed_ids(claim_batch(limit=2, automatic_limit=0)) == []


def test_what_a_take_over_silenced_is_not_claimed(with_bot, awa, clock):
    stale = with_bot.send_as_program("Menu", by=BOT, at=clock.now)
    with_bot.take_over(awa, at=clock.now)
    set_bucket(OUR_NUMBER)
    batch = claim_batch()
    assert (claimed_ids(batch), [each.pk for each in batch.withheld]) == ([], [stale.pk])


def test_what_is_set_aside_is_not_touched(menus):
    first, second = menus(2)
    assert claimed_ids(claim_batch(exclude={first.pk})) == [second.pk]


# -- clocks that are set ------------------------------------------------------------------------------------


def test_a_first_try_waits_for_no_clock(with_bot):
    """It was written by a machine whose clock was an hour ahead."""
    said = with_bot.send_as_program("Menu", by=BOT, at=timezone.now() + timedelta(hours=1))
    set_bucket(OUR_NUMBER)
    assert claimed_ids(claim_batch()) == [said.pk]


def test_a_pause_from_before_the_clock_was_set_back_is_over(menus):
    [said] = menus(1)
    MessageDelivery.objects.update(attempt=1, not_before=timezone.now() + timedelta(minutes=4))
    assert claimed_ids(claim_batch()) == []
    MessageDelivery.objects.update(not_before=timezone.now() + timedelta(hours=1))
    assert claimed_ids(claim_batch()) == [said.pk]


def test_a_doubt_from_before_the_clock_was_set_back_holds_nobody_up(held_by_awa, awa, clock):
    first = held_by_awa.deliveries.get()
    second = held_by_awa.send_as_agent("ensuite", agent=awa, at=clock.now)
    assert first.claim(by="p", at=clock.now)
    first.mark_uncertain(at=clock.now, error="?")
    assert not MessageDelivery.objects.due(clock.now).exists()
    assert list(MessageDelivery.objects.due(clock.now - timedelta(hours=1))) == [second]


def test_a_bucket_counted_in_the_future_is_full(menus):
    menus(16)
    SenderRateLimit.objects.update(tokens=0, counted_at=timezone.now() + timedelta(hours=1))
    assert len(claim_batch(rate=80).claimed) == 12


# -- rivals -------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_look_at_once_each_message_has_one_and_the_rate_holds(menus):
    said = menus(40)
    turns = at_once(lambda n: claim_batch(by=f"p{n}", rate=40), 8)
    claimed = [pk for each in turns for pk in claimed_ids(each)]
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
            found = claimed_ids(claim_batch())
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
    assert claimed_ids(claim_batch()) == [first.pk]
    connection.close()


def test_what_waits_is_never_held_against_all_else_that_waits(clock):
    """Where few ever waited, a join of the outbox with itself looks cheap, and takes seconds when many do."""
    plan = MessageDelivery.objects.due(clock.now).explain()
    assert "Join" not in plan, plan
    assert "Nested Loop" not in plan, plan
