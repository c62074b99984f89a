"""The states of our deliveries catch up with Twilio's log."""

import pytest
from django.utils import timezone

from relais.conversations.models import Conversation, MessageDelivery
from tests.cast import FATOU, OUR_NUMBER, event_types_of

from .conftest import poll_backlog, poll_recent, reconciliation

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(known, awa, double, sender):
    """Awa's word to Fatou, accepted by Twilio, whose statuses lost_message come."""

    def sent(**fault):
        double.fault("status", "never")
        if fault:
            double.fault("create", "error", **fault)
        known.take_over(awa, at=timezone.now())
        double.wait_for(lambda: not MessageDelivery.objects.exclude(state="sent").exists())
        double.wait_until_idle()
        delivery = MessageDelivery.objects.get()
        assert delivery.state == "sent"
        return delivery

    return sent


def test_a_delivery_whose_status_callback_was_lost_catches_up(sent, double):
    delivery = sent()
    poll_recent()
    delivery.refresh_from_db()
    assert delivery.state == "delivered"
    assert delivery.delivered_at < timezone.now()
    double.client_reads(FATOU)
    poll_recent(minutes=2)
    delivery.refresh_from_db()
    assert (delivery.state, reconciliation().statuses, reconciliation().missing) == ("read", 2, 0)


def test_a_failed_delivery_gets_its_error_code(sent):
    delivery = sent(code=63003)
    poll_recent()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_code) == ("failed", 63003)


def test_a_client_who_wrote_since_has_not_opted_out(sent, double, known):
    sent(code=63014)
    double.advance(60)
    double.client_writes(FATOU, "Me revoilà")
    poll_recent(minutes=3)
    assert MessageDelivery.objects.get().state == "failed"
    known.address.refresh_from_db()
    assert known.address.opted_out_at is None


def test_a_state_never_moves_backwards(sent, double):
    delivery = sent()
    delivery.advance("read", at=timezone.now())
    rev = Conversation.objects.get().rev
    poll_recent()
    delivery.refresh_from_db()
    assert (delivery.state, Conversation.objects.get().rev, reconciliation().statuses) == ("read", rev, 0)


def test_a_read_receipt_is_still_found_days_later(sent, double):
    delivery = sent()
    double.advance(3600 * 50)
    double.client_reads(FATOU)
    double.wait_until_idle()
    poll_backlog(hours=51)
    delivery.refresh_from_db()
    assert delivery.state == "read"


def test_foreign_messages_from_our_number_are_counted_and_not_stored(known, double):
    double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body="Écrit depuis la console.")
    double.wait_until_idle()
    poll_recent(minutes=6)
    assert (reconciliation().foreign, known.events.count()) == (1, 1)


def test_an_undecided_delivery_is_not_counted_as_foreign(known, awa, double):
    known.take_over(awa, at=timezone.now())
    delivery = known.deliveries.get()
    delivery.claim(by="p", at=timezone.now())
    delivery.mark_uncertain(at=timezone.now(), error="?")
    double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body=delivery.event.body)
    double.wait_until_idle()
    poll_recent(minutes=6)
    assert (reconciliation().foreign, event_types_of(known).count("message_sent")) == (0, 1)
    delivery.refresh_from_db()
    assert delivery.state == "uncertain"
