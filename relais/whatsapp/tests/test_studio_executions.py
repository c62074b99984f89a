"""Ending the execution of a flow at Twilio Studio, so that its bot stops answering the client."""

import pytest
from django.utils import timezone

from relais.conversations.models import Conversation
from relais.whatsapp import client, studio_executions
from relais.whatsapp.studio_executions import end_executions
from tests.cast import FATOU

from .conftest import STUDIO_FLOW_SID, message_params, scheduled_times

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("studio_bot")]


def test_the_execution_named_by_incoming_is_ended(double, twilio):
    execution = double.start_execution(STUDIO_FLOW_SID, FATOU)
    other = double.start_execution(STUDIO_FLOW_SID, "+212600000009")
    twilio.call(
        "/api/twilio/incoming", message_params() | {"flow_sid": STUDIO_FLOW_SID, "execution_sid": execution}
    )
    end_executions(Conversation.objects.get().pk)
    assert double.execution_status(STUDIO_FLOW_SID, execution) == "ended"
    assert double.execution_status(STUDIO_FLOW_SID, other) == "active"
    end_executions(Conversation.objects.get().pk)


def test_without_a_name_all_executions_of_the_client_are_ended(double, twilio):
    execution, other = (
        double.start_execution(STUDIO_FLOW_SID, FATOU),
        double.start_execution(STUDIO_FLOW_SID, "+212600000009"),
    )
    twilio.call("/api/twilio/incoming", message_params())
    end_executions(Conversation.objects.get().pk)
    assert (
        double.execution_status(STUDIO_FLOW_SID, execution),
        double.execution_status(STUDIO_FLOW_SID, other),
    ) == (
        "ended",
        "active",
    )


def test_a_failed_page_of_executions_is_retried(double, twilio, monkeypatch):
    monkeypatch.setattr(studio_executions, "PAGE_SIZE", 2)
    monkeypatch.setattr(client, "PAGE_RETRY_PAUSES_SECONDS", (0.0,))
    executions = [double.start_execution(STUDIO_FLOW_SID, FATOU) for _n in range(5)]
    twilio.call("/api/twilio/incoming", message_params())
    rule = double.fault("execution", "5xx", times=1, match={"page": "2"})
    end_executions(Conversation.objects.get().pk)
    assert rule.times == 0
    assert {double.execution_status(STUDIO_FLOW_SID, each) for each in executions} == {"ended"}


def test_executions_on_the_pages_read_are_ended_before_the_rest_is_retried(double, twilio, monkeypatch):
    monkeypatch.setattr(studio_executions, "PAGE_SIZE", 2)
    monkeypatch.setattr(client, "PAGE_RETRY_PAUSES_SECONDS", (0.0,))
    executions = [double.start_execution(STUDIO_FLOW_SID, FATOU) for _n in range(5)]
    twilio.call("/api/twilio/incoming", message_params())
    double.fault("execution", "5xx", match={"page": "2"})
    with pytest.raises(client.OutcomeUnknown):
        end_executions(Conversation.objects.get().pk)
    statuses = [double.execution_status(STUDIO_FLOW_SID, each) for each in executions]
    assert (statuses.count("ended"), statuses.count("active")) == (4, 1)
    double.clear_faults()
    end_executions(Conversation.objects.get().pk)
    assert {double.execution_status(STUDIO_FLOW_SID, each) for each in executions} == {"ended"}


def test_a_takeover_defers_the_job(with_bot, awa):
    with_bot.take_over(awa, at=timezone.now())
    assert len(scheduled_times("end_executions", conversation_id=with_bot.pk)) == 1
