"""Claiming from the outbox: the order, and the rate limit, one token bucket for each of our numbers."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from relais.conversations import outbox
from relais.conversations.events import BOT
from relais.conversations.models import MessageDelivery, SenderRateLimit
from relais.conversations.tests.test_inbound import run_concurrently
from tests.cast import OUR_NUMBER, MachineClock

pytestmark = pytest.mark.django_db
OTHER_NUMBER = "whatsapp:+212522000001"
TIMEOUT_SECONDS = 30


@pytest.fixture
def clock():
    """The outbox uses the database's clock."""
    return MachineClock()


@pytest.fixture
def menus(fatou_writes):
    """Queued menus of the bot, one for each of so many clients."""

    def menus(number, *, sender=OUR_NUMBER, start=0):
        set_bucket(sender)
        deliveries = []
        for n in range(start, start + number):
            conversation = fatou_writes(address=f"whatsapp:+2127{n:08d}", sender=sender)
            deliveries.append(conversation.send_as_program("Menu", by=BOT, at=timezone.now()))
        return deliveries

    return menus


def set_bucket(sender, *, tokens=1000.0):
    SenderRateLimit.objects.update_or_create(
        sender=sender, defaults={"tokens": tokens, "counted_at": timezone.now()}
    )


def claim_batch(*, by="p", rate=1000.0, limit=32, automatic_limit=32, **options):
    return outbox.claim_batch(by=by, rate=rate, limit=limit, automatic_limit=automatic_limit, **options)


def claimed_ids(batch):
    return [delivery.pk for delivery in batch.claimed]


def test_everything_due_is_claimed_in_one_batch(menus):
    deliveries = menus(3)
    batch = claim_batch()
    assert claimed_ids(batch) == [each.pk for each in deliveries]
    for delivery in batch.claimed:
        assert (delivery.state, delivery.claimed_by, delivery.attempt) == ("sending", "p", 1)
        stored = MessageDelivery.objects.select_related("conversation").get(pk=delivery.pk)
        assert (stored.state, stored.rev, stored.attempt) == ("sending", stored.conversation.rev, 1)
    assert claimed_ids(claim_batch()) == []


def test_no_more_than_the_bucket_holds(menus):
    menus(16)
    set_bucket(OUR_NUMBER, tokens=-1)
    assert len(claim_batch(rate=1).claimed) == 0
    set_bucket(OUR_NUMBER, tokens=1000)
    batch = claim_batch(rate=80)
    assert len(batch.claimed) == 12
    assert batch.wait_seconds == pytest.approx(0.05)
    [[tokens]] = SenderRateLimit.objects.values_list("tokens")
    assert tokens == pytest.approx(0, abs=0.01)


def test_a_rate_of_one_allows_one_message(menus):
    menus(3)
    set_bucket(OUR_NUMBER, tokens=1000)
    assert len(claim_batch(rate=1).claimed) == 1


def test_the_bucket_is_refilled_with_time(menus):
    menus(12)
    SenderRateLimit.objects.update(tokens=0, counted_at=timezone.now() - timedelta(seconds=0.05))
    assert len(claim_batch(rate=80).claimed) in (4, 5)


def test_a_new_number_is_registered_for_the_next_poll(menus, fatou_writes):
    [delivery] = menus(1)
    SenderRateLimit.objects.all().delete()
    first = claim_batch()
    assert (claimed_ids(first), first.wait_seconds) == ([], 0.0)
    SenderRateLimit.objects.update(counted_at=timezone.now() - timedelta(seconds=1))
    assert claimed_ids(claim_batch()) == [delivery.pk]


def test_a_number_without_tokens_does_not_block_another(menus):
    menus(5)
    [other] = menus(1, sender=OTHER_NUMBER)
    set_bucket(OUR_NUMBER, tokens=-1000)
    batch = claim_batch(skip_senders=False)
    assert (claimed_ids(batch), batch.wait_seconds is not None) == ([], True)
    batch = claim_batch()
    assert claimed_ids(batch) == [other.pk]
    assert batch.skipped_senders


def test_a_throttled_number_sends_more_slowly_until_the_pause_ends(menus):
    menus(8)
    outbox.throttle(OUR_NUMBER, seconds=60)
    assert len(claim_batch(rate=80).claimed) == 3
    SenderRateLimit.objects.update(slow_until=timezone.now(), tokens=1000)
    assert len(claim_batch(rate=80).claimed) == 5


def test_a_longer_throttle_is_not_shortened_by_a_shorter_one(menus):
    menus(1)
    outbox.throttle(OUR_NUMBER, seconds=60)
    before = SenderRateLimit.objects.get().slow_until
    outbox.throttle(OUR_NUMBER, seconds=1)
    assert SenderRateLimit.objects.get().slow_until == before


def test_automatic_messages_leave_threads_for_persons(menus, held_by_awa, awa):
    menus(6)
    [personal] = held_by_awa.deliveries.all()
    assert personal.by_person
    batch = claim_batch(limit=4, automatic_limit=2)
    assert claimed_ids(batch)[0] == personal.pk
    assert len(batch.claimed) == 2
    assert claimed_ids(claim_batch(limit=2, automatic_limit=0)) == []


def test_texts_of_an_old_epoch_are_withheld(with_bot, awa, clock):
    menu = with_bot.send_as_program("Menu", by=BOT, at=clock.now)
    with_bot.take_over(awa, at=clock.now)
    set_bucket(OUR_NUMBER)
    batch = claim_batch()
    assert (claimed_ids(batch), [each.pk for each in batch.withheld]) == ([], [menu.pk])


def test_excluded_deliveries_are_not_claimed(menus):
    first, second = menus(2)
    assert claimed_ids(claim_batch(exclude={first.pk})) == [second.pk]


# -- clock changes ---------------------------------------------------------------------------------------


def test_a_first_attempt_ignores_the_clock(with_bot):
    """It was written by a machine whose clock was an hour ahead."""
    delivery = with_bot.send_as_program("Menu", by=BOT, at=timezone.now() + timedelta(hours=1))
    set_bucket(OUR_NUMBER)
    assert claimed_ids(claim_batch()) == [delivery.pk]


def test_a_retry_delay_from_before_a_clock_change_is_ignored(menus):
    [delivery] = menus(1)
    MessageDelivery.objects.update(attempt=1, not_before=timezone.now() + timedelta(minutes=4))
    assert claimed_ids(claim_batch()) == []
    MessageDelivery.objects.update(not_before=timezone.now() + timedelta(hours=1))
    assert claimed_ids(claim_batch()) == [delivery.pk]


def test_an_uncertain_hold_from_before_a_clock_change_is_ignored(held_by_awa, awa, clock):
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


# -- concurrency ----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_concurrent_claims_share_the_messages_and_the_rate(menus):
    deliveries = menus(40)
    batches = run_concurrently(lambda n: claim_batch(by=f"p{n}", rate=40), 8)
    claimed = [pk for batch in batches for pk in claimed_ids(batch)]
    assert len(claimed) == len(set(claimed))
    assert 6 <= len(claimed) < len(deliveries), "a bucket of 6, and what was refilled meanwhile"
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_locked_conversation_is_skipped(menus):
    first, second = menus(2)

    def work(locks):
        from django.db import transaction

        if not locks:
            locked.wait(TIMEOUT_SECONDS)
            ids = claimed_ids(claim_batch())
            polled.set()
            return ids
        with transaction.atomic():
            first.conversation.locked()
            locked.set()
            assert polled.wait(TIMEOUT_SECONDS)
        return None

    import threading

    locked, polled = threading.Event(), threading.Event()
    assert run_concurrently(work, 2)[0] == [second.pk]
    assert claimed_ids(claim_batch()) == [first.pk]
    connection.close()


def test_the_plan_never_joins_the_outbox_with_itself(clock):
    """With statistics of a small outbox a self join looks cheap, and takes seconds when the outbox is full."""
    plan = MessageDelivery.objects.due(clock.now).explain()
    assert "Join" not in plan, plan
    assert "Nested Loop" not in plan, plan
