"""Status updates of a message in any order, late or repeated: the final state is the same."""

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relais.conversations.delivery_states import STATES_BY_RANK
from relais.conversations.models import Conversation, MessageDelivery

pytestmark = pytest.mark.django_db
SID = "SM" + "1" * 32
PROGRESS = ("sent", "delivered", "read")
"""The statuses that Twilio may report, in their order."""

histories = st.builds(
    lambda length, failed: [*PROGRESS[:length], *(["failed"] if failed else [])],
    st.integers(0, 3),
    st.booleans(),
)
outcomes = st.sampled_from(["accepted", "unknown", "later"])


@st.composite
def updates_of_a_message(draw):
    """A history at Twilio, and our updates of it: each status one to three times, in any order, and the call's answer."""
    history, outcome = draw(histories), draw(outcomes)
    updates = [status for status in history for _time in range(draw(st.integers(1, 3)))]
    return history, outcome, draw(st.permutations([*updates, "answer"]))


def apply_update(delivery, update, outcome):
    at = timezone.now()
    # The caller is another process: it does not know what was written meanwhile.
    current = MessageDelivery.objects.get(pk=delivery.pk) if update != "answer" else delivery
    if update in PROGRESS:
        current.advance(update, at=at, sid=SID)
    elif update == "failed":
        current.mark_failed(at=at, code=63016, error="fenêtre fermée", sid=SID)
    elif outcome == "accepted":
        current.mark_sent(SID, at=at)
    elif outcome == "unknown":
        current.mark_uncertain(at=at, error="?")
    else:
        current.postpone(until=at, error="?")


@given(updates_of_a_message())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_final_state_does_not_depend_on_the_order(held_by_awa, clock, drawn):
    history, outcome, updates = drawn
    with transaction.atomic():
        delivery = held_by_awa.deliveries.get()
        assert delivery.claim(by="p", at=clock.now)
        revs = [delivery.rev]
        for update in updates:
            apply_update(delivery, update, outcome)
            revs.append(MessageDelivery.objects.get(pk=delivery.pk).rev)
        delivery.refresh_from_db()
        check(delivery, history, outcome, updates)
        assert revs == sorted(revs)
        assert Conversation.objects.get(pk=delivery.conversation_id).rev == revs[-1]
        transaction.set_rollback(True)


def check(delivery, history, outcome, updates):
    best = max((STATES_BY_RANK.index(status) for status in history if status != "failed"), default=-1)
    proven = bool(history) or outcome == "accepted"
    assert delivery.sid == (SID if proven else None)
    if not proven:
        assert delivery.state == ("uncertain" if outcome == "unknown" else "queued")
    elif "failed" not in history:
        assert delivery.state == (STATES_BY_RANK[best] if best >= 0 else "sent")
    elif "delivered" in history:
        first = min(updates.index(status) for status in ("delivered", "read") if status in updates)
        assert delivery.state in (("failed",) if updates.index("failed") < first else ("delivered", "read"))
    else:
        assert (delivery.state, delivery.error_code) == ("failed", 63016)


def test_a_postponed_message_that_was_delivered_is_not_sent_again(held_by_awa, clock):
    """Twilio answered 429 and accepted it all the same: the status arrives while it is queued again."""
    delivery = held_by_awa.deliveries.get()
    assert delivery.claim(by="p", at=clock.now)
    delivery.postpone(until=clock.now, error="?")
    delivery.advance("delivered", at=clock.now, sid=SID)
    assert not delivery.claim(by="p", at=clock.now)
    assert delivery.state == "delivered"


def test_a_late_outcome_of_an_earlier_attempt_does_not_change_the_later_one(held_by_awa, clock):
    delivery = held_by_awa.deliveries.get()
    assert delivery.claim(by="slow", at=clock.now)
    late, later = (MessageDelivery.objects.get(pk=delivery.pk) for _ in range(2))
    delivery.mark_uncertain(at=clock.now, error="?")
    assert delivery.requeue()
    assert delivery.claim(by="another", at=clock.now)
    assert not late.postpone(until=clock.now, error="?")
    assert not later.mark_uncertain(at=clock.now, error="?")
    assert MessageDelivery.objects.get(pk=delivery.pk).state == "sending"
    late.mark_sent(SID, at=clock.now)
    assert MessageDelivery.objects.get(pk=delivery.pk).state == "sent"


def test_it_is_requeued_once_and_only_while_it_is_uncertain(held_by_awa, clock):
    delivery = held_by_awa.deliveries.get()
    assert not delivery.requeue()
    assert delivery.claim(by="p", at=clock.now)
    assert not delivery.requeue()
    delivery.mark_uncertain(at=clock.now, error="?")
    assert delivery.requeue()
    assert delivery.claim(by="p", at=clock.now)
    delivery.mark_uncertain(at=clock.now, error="?")
    assert not delivery.requeue()
    assert delivery.state == "uncertain"


def test_a_refused_second_attempt_does_not_contradict_the_first_that_was_sent(held_by_awa, clock):
    delivery = held_by_awa.deliveries.get()
    assert delivery.claim(by="p", at=clock.now)
    delivery.mark_uncertain(at=clock.now, error="?")
    assert delivery.requeue()
    assert delivery.claim(by="p", at=clock.now)
    assert delivery.advance("sent", at=clock.now, sid=SID)
    assert not delivery.mark_failed(at=clock.now, code=21610, error="refused")
    assert MessageDelivery.objects.get(pk=delivery.pk).state == "sent"
    assert delivery.mark_failed(at=clock.now, code=63016, error="window", sid=SID)
