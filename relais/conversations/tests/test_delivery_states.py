"""Whatever order the words about a message come in, its state in the end is what they say together."""

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relais.conversations.delivery_states import STATES_BY_RANK
from relais.conversations.models import Conversation, MessageDelivery

pytestmark = pytest.mark.django_db
SID = "SM" + "1" * 32
HAPPENED = ("sent", "delivered", "read")
"""What Twilio may tell, in the order of what happens there."""

lives = st.builds(
    lambda told, failed: [*HAPPENED[:told], *(["failed"] if failed else [])],
    st.integers(0, 3),
    st.booleans(),
)
outcomes = st.sampled_from(["accepted", "unknown", "later"])


@st.composite
def hearings(draw):
    """A life at Twilio, and what we hear of it: each word once to three times, the answer to the call among them."""
    life, outcome = draw(lives), draw(outcomes)
    words = [word for word in life for _time in range(draw(st.integers(1, 3)))]
    return life, outcome, draw(st.permutations([*words, "answer"]))


def hear(delivery, word, outcome):
    at = timezone.now()
    # As a process of its own would: it knows nothing of what was written meanwhile.
    told = MessageDelivery.objects.get(pk=delivery.pk) if word != "answer" else delivery
    if word in HAPPENED:
        told.advance(word, at=at, sid=SID)
    elif word == "failed":
        told.mark_failed(at=at, code=63016, error="fenêtre fermée", sid=SID)
    elif outcome == "accepted":
        told.mark_sent(SID, at=at)
    elif outcome == "unknown":
        told.mark_uncertain(at=at, error="?")
    else:
        told.postpone(until=at, error="?")


@given(hearings())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_state_is_right_in_the_end(held_by_awa, clock, heard):
    life, outcome, words = heard
    with transaction.atomic():
        delivery = held_by_awa.deliveries.get()
        assert delivery.claim(by="p", at=clock.now)
        revs = [delivery.rev]
        for word in words:
            hear(delivery, word, outcome)
            revs.append(MessageDelivery.objects.get(pk=delivery.pk).rev)
        delivery.refresh_from_db()
        check(delivery, life, outcome, words)
        assert revs == sorted(revs)
        assert Conversation.objects.get(pk=delivery.conversation_id).rev == revs[-1]
        transaction.set_rollback(True)


def check(delivery, life, outcome, words):
    best = max((STATES_BY_RANK.index(word) for word in life if word != "failed"), default=-1)
    proven = bool(life) or outcome == "accepted"
    assert delivery.sid == (SID if proven else None)
    if not proven:
        assert delivery.state == ("uncertain" if outcome == "unknown" else "queued")
    elif "failed" not in life:
        assert delivery.state == (STATES_BY_RANK[best] if best >= 0 else "sent")
    elif "delivered" in life:
        first = min(words.index(word) for word in ("delivered", "read") if word in words)
        assert delivery.state in (("failed",) if words.index("failed") < first else ("delivered", "read"))
    else:
        assert (delivery.state, delivery.error_code) == ("failed", 63016)


def test_what_was_put_off_and_yet_heard_of_does_not_leave_again(held_by_awa, clock):
    """Twilio said to wait, and had it all the same: the status comes when it waits its turn again."""
    delivery = held_by_awa.deliveries.get()
    assert delivery.claim(by="p", at=clock.now)
    delivery.postpone(until=clock.now, error="?")
    delivery.advance("delivered", at=clock.now, sid=SID)
    assert not delivery.claim(by="p", at=clock.now)
    assert delivery.state == "delivered"


def test_a_late_outcome_of_an_earlier_try_changes_nothing_of_the_later_one(held_by_awa, clock):
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


def test_it_goes_back_once_and_only_while_it_is_uncertain(held_by_awa, clock):
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


def test_a_refused_second_try_says_nothing_against_the_first_that_left(held_by_awa, clock):
    delivery = held_by_awa.deliveries.get()
    assert delivery.claim(by="p", at=clock.now)
    delivery.mark_uncertain(at=clock.now, error="?")
    assert delivery.requeue()
    assert delivery.claim(by="p", at=clock.now)
    assert delivery.advance("sent", at=clock.now, sid=SID)
    assert not delivery.mark_failed(at=clock.now, code=21610, error="refused")
    assert MessageDelivery.objects.get(pk=delivery.pk).state == "sent"
    assert delivery.mark_failed(at=clock.now, code=63016, error="window", sid=SID)
