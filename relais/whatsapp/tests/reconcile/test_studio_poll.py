"""With a bot in Twilio Studio, its messages are recorded from the log."""

from datetime import timedelta

import pytest
from django.utils import timezone

from relais.conversations.models import ConversationEvent
from relais.whatsapp.reconcile.studio_messages import record
from tests.cast import FATOU, IBRAHIM, OUR_NUMBER, event_types_of

from .conftest import BOT_TASK, jobs, poll_recent, reconciliation

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_message_that_studio_handled_is_stored_and_not_answered(known, lost_message, studio):
    studio()
    lost = lost_message("1")
    before = len(jobs(BOT_TASK))
    poll_recent()
    event = ConversationEvent.objects.get(message_sid=lost.sid)
    assert "recovered" not in event.metadata
    assert (len(jobs(BOT_TASK)), reconciliation().missing, reconciliation().overheard) == (before, 0, 1)
    assert event_types_of(known) == ["message_received", "message_received"]


def test_messages_of_the_studio_bot_are_recorded_in_order(known, lost_message, studio, double):
    studio()
    message = double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body="Que souhaitez-vous ?")
    double.wait_until_idle()
    double.advance(5)
    lost_message("Un rendez-vous")
    poll_recent(minutes=3)
    assert [e.body for e in known.events.order_by("seq")] == [
        "Bonjour",
        "Que souhaitez-vous ?",
        "Un rendez-vous",
    ]
    assert known.deliveries.get().sid == message.sid
    poll_recent(minutes=4)
    record(message.sid, at=timezone.now())
    assert known.events.count() == 3


def test_messages_of_the_studio_bot_to_unknown_clients_are_ignored(known, studio, double):
    studio()
    double.sdk().messages.create(to=IBRAHIM, from_=OUR_NUMBER, body="Bonjour")
    double.wait_until_idle()
    for minutes in (3, 4):
        poll_recent(minutes=minutes)
    assert (reconciliation().overheard, ConversationEvent.objects.count()) == (0, 1)


def test_while_a_delivery_is_undecided_messages_of_the_studio_bot_wait(known, studio, double, awa):
    studio()
    known.take_over(awa, at=timezone.now())
    delivery = known.deliveries.get()
    delivery.claim(by="p", at=timezone.now() + timedelta(minutes=3))
    delivery.mark_uncertain(at=timezone.now() + timedelta(minutes=3), error="?")
    double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body="Que souhaitez-vous ?")
    double.wait_until_idle()
    poll_recent(minutes=3)
    assert known.deliveries.count() == 1
    assert (reconciliation().left, reconciliation().completed_until < timezone.now()) == (0, True)
    poll_recent(minutes=6)
    assert known.deliveries.count() == 2
