"""Where Studio hosts the bot: it is silenced at Twilio, and what it says is in the history as far as Twilio tells."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from relais.conversations.models import Conversation
from relais.whatsapp import client, studio_executions
from relais.whatsapp.reconcile.studio_messages import record
from relais.whatsapp.studio_executions import end_executions
from tests.cast import FATOU, OUR_NUMBER, event_types_of

from .conftest import inbound

pytestmark = pytest.mark.django_db(transaction=True)
FLOW = "FW" + "1" * 32


def jobs(task, **args):
    """When each job of that task and those arguments is to run."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select scheduled_at from procrastinate_jobs where task_name = %s and args = %s::jsonb",
            [f"relais.whatsapp.tasks.{task}", json.dumps(args)],
        )
        return [at for (at,) in cursor.fetchall()]


@pytest.fixture(autouse=True)
def studio(settings):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, bot="studio", studio_flow_sid=FLOW)


def test_the_execution_that_incoming_told_of_is_ended(double, twilio):
    mine = double.starts_execution(FLOW, FATOU)
    other = double.starts_execution(FLOW, "+212600000009")
    twilio.calls("/api/twilio/incoming", inbound() | {"flow_sid": FLOW, "execution_sid": mine})
    end_executions(Conversation.objects.get().pk)
    assert double.execution_status(FLOW, mine) == "ended"
    assert double.execution_status(FLOW, other) == "active"
    end_executions(Conversation.objects.get().pk)


def test_else_all_of_this_client_in_the_flow_are_ended(double, twilio):
    mine, other = double.starts_execution(FLOW, FATOU), double.starts_execution(FLOW, "+212600000009")
    twilio.calls("/api/twilio/incoming", inbound())
    end_executions(Conversation.objects.get().pk)
    assert (double.execution_status(FLOW, mine), double.execution_status(FLOW, other)) == ("ended", "active")


def test_a_page_of_executions_that_fails_is_asked_for_again(double, twilio, monkeypatch):
    monkeypatch.setattr(studio_executions, "PAGE_SIZE", 2)
    monkeypatch.setattr(client, "PAGE_RETRY_PAUSES_SECONDS", (0.0,))
    mine = [double.starts_execution(FLOW, FATOU) for _n in range(5)]
    twilio.calls("/api/twilio/incoming", inbound())
    rule = double.fault("execution", "5xx", times=1, match={"page": "2"})
    end_executions(Conversation.objects.get().pk)
    assert rule.times == 0
    assert {double.execution_status(FLOW, each) for each in mine} == {"ended"}


def test_executions_on_the_pages_that_twilio_gave_are_ended_before_the_rest_is_tried_again(
    double, twilio, monkeypatch
):
    monkeypatch.setattr(studio_executions, "PAGE_SIZE", 2)
    monkeypatch.setattr(client, "PAGE_RETRY_PAUSES_SECONDS", (0.0,))
    mine = [double.starts_execution(FLOW, FATOU) for _n in range(5)]
    twilio.calls("/api/twilio/incoming", inbound())
    double.fault("execution", "5xx", match={"page": "2"})
    with pytest.raises(client.OutcomeUnknown):
        end_executions(Conversation.objects.get().pk)
    statuses = [double.execution_status(FLOW, each) for each in mine]
    assert (statuses.count("ended"), statuses.count("active")) == (4, 1)
    double.clear_faults()
    end_executions(Conversation.objects.get().pk)
    assert {double.execution_status(FLOW, each) for each in mine} == {"ended"}


def test_taking_over_asks_for_it(with_bot, awa):
    with_bot.take_over(awa, at=timezone.now())
    assert len(jobs("end_executions", conversation_id=with_bot.pk)) == 1


@pytest.fixture
def overheard(double, twilio):
    """Studio's bot said something to Fatou, whose conversation we know."""
    twilio.calls("/api/twilio/incoming", inbound())
    double.opens_window(FATOU)
    said = double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body="Bienvenue chez Mercedes-Benz.")
    return said.sid


def test_what_the_bot_said_is_appended_once(overheard):
    for _again in range(2):
        record(overheard, at=timezone.now())
    conversation = Conversation.objects.get()
    assert event_types_of(conversation) == ["message_received", "message_sent"]
    event = conversation.events.get(event_type="message_sent")
    assert (event.author_kind, event.body) == ("bot", "Bienvenue chez Mercedes-Benz.")
    assert event.delivery.sid == overheard


def test_a_status_without_ref_is_looked_up_later_and_one_with_ref_is_not(twilio, overheard):
    params = {"MessageSid": overheard, "MessageStatus": "sent", "To": FATOU, "From": OUR_NUMBER}
    twilio.calls("/api/twilio/status?ref=999999", params)
    twilio.calls("/api/twilio/status", params)
    [later] = jobs("look_up_message", sid=overheard)
    assert later > timezone.now() + timedelta(seconds=100)


def test_while_one_of_ours_is_undecided_it_waits(overheard, awa):
    conversation = Conversation.objects.get()
    conversation.take_over(awa, at=timezone.now())
    delivery = conversation.deliveries.get()
    delivery.claim(by="p", at=timezone.now())
    record(overheard, at=timezone.now())
    assert event_types_of(conversation).count("message_sent") == 1
    delivery.mark_sent("SM" + "f" * 32, at=timezone.now())
    record(overheard, at=timezone.now())
    assert event_types_of(conversation).count("message_sent") == 2


def test_one_of_ours_that_stays_uncertain_does_not_hide_it_for_ever(overheard, awa):
    conversation, at = Conversation.objects.get(), timezone.now()
    conversation.take_over(awa, at=at)
    delivery = conversation.deliveries.get()
    delivery.claim(by="p", at=at)
    delivery.mark_uncertain(at=at, error="?")
    record(overheard, at=at + timedelta(minutes=1))
    assert event_types_of(conversation).count("message_sent") == 1
    record(overheard, at=at + timedelta(minutes=3))
    assert event_types_of(conversation).count("message_sent") == 2


def test_ours_that_is_still_asked_about_is_not_taken_for_what_the_bot_said(double, overheard, awa):
    conversation, at = Conversation.objects.get(), timezone.now()
    conversation.take_over(awa, at=at)
    delivery = conversation.deliveries.get()
    delivery.claim(by="p", at=at)
    delivery.mark_uncertain(at=at, error="?")
    ours = double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body=delivery.event.body).sid
    record(ours, at=at + timedelta(minutes=3))
    assert event_types_of(conversation).count("message_sent") == 1
    conversation.deliveries.update(ask_after=None)
    record(ours, at=at + timedelta(minutes=30))
    assert event_types_of(conversation).count("message_sent") == 2


def test_what_twilio_does_not_know_is_left_alone(overheard):
    record("SM" + "0" * 32, at=timezone.now())
    assert event_types_of(Conversation.objects.get()) == ["message_received"]
