"""Messages that a bot in Twilio Studio sent are recorded in the history, as far as Twilio reports them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from relais.conversations.models import Conversation
from relais.whatsapp.reconcile.studio_messages import record
from tests.cast import FATOU, OUR_NUMBER, event_types_of

from .conftest import message_params, scheduled_times

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("studio_bot")]


@pytest.fixture
def studio_message_sid(double, twilio):
    """The SID of a message that Studio's bot sent to Fatou, whose conversation is known."""
    twilio.call("/api/twilio/incoming", message_params())
    double.open_window(FATOU)
    message = double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body="Bienvenue chez Mercedes-Benz.")
    return message.sid


def test_a_message_of_the_bot_is_recorded_once(studio_message_sid):
    for _ in range(2):
        record(studio_message_sid, at=timezone.now())
    conversation = Conversation.objects.get()
    assert event_types_of(conversation) == ["message_received", "message_sent"]
    event = conversation.events.get(event_type="message_sent")
    assert (event.author_kind, event.body) == ("bot", "Bienvenue chez Mercedes-Benz.")
    assert event.delivery.sid == studio_message_sid


def test_a_status_without_ref_is_looked_up_later_and_one_with_ref_is_not(twilio, studio_message_sid):
    params = {"MessageSid": studio_message_sid, "MessageStatus": "sent", "To": FATOU, "From": OUR_NUMBER}
    twilio.call("/api/twilio/status?ref=999999", params)
    twilio.call("/api/twilio/status", params)
    [later] = scheduled_times("look_up_message", sid=studio_message_sid)
    assert later > timezone.now() + timedelta(seconds=100)


def test_it_is_not_recorded_while_one_of_ours_is_undecided(studio_message_sid, awa):
    conversation = Conversation.objects.get()
    conversation.take_over(awa, at=timezone.now())
    delivery = conversation.deliveries.get()
    delivery.claim(by="p", at=timezone.now())
    record(studio_message_sid, at=timezone.now())
    assert event_types_of(conversation).count("message_sent") == 1
    delivery.mark_sent("SM" + "f" * 32, at=timezone.now())
    record(studio_message_sid, at=timezone.now())
    assert event_types_of(conversation).count("message_sent") == 2


def test_an_uncertain_send_of_ours_delays_it_for_a_limited_time(studio_message_sid, awa):
    conversation, at = Conversation.objects.get(), timezone.now()
    conversation.take_over(awa, at=at)
    delivery = conversation.deliveries.get()
    delivery.claim(by="p", at=at)
    delivery.mark_uncertain(at=at, error="?")
    record(studio_message_sid, at=at + timedelta(minutes=1))
    assert event_types_of(conversation).count("message_sent") == 1
    record(studio_message_sid, at=at + timedelta(minutes=3))
    assert event_types_of(conversation).count("message_sent") == 2


def test_an_uncertain_send_of_ours_is_not_recorded_as_the_bot_s(double, studio_message_sid, awa):
    conversation, at = Conversation.objects.get(), timezone.now()
    conversation.take_over(awa, at=at)
    delivery = conversation.deliveries.get()
    delivery.claim(by="p", at=at)
    delivery.mark_uncertain(at=at, error="?")
    sid = double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body=delivery.event.body).sid
    record(sid, at=at + timedelta(minutes=3))
    assert event_types_of(conversation).count("message_sent") == 1
    conversation.deliveries.update(ask_after=None)
    record(sid, at=at + timedelta(minutes=30))
    assert event_types_of(conversation).count("message_sent") == 2


def test_a_message_that_twilio_does_not_know_is_ignored(studio_message_sid):
    record("SM" + "0" * 32, at=timezone.now())
    assert event_types_of(Conversation.objects.get()) == ["message_received"]
