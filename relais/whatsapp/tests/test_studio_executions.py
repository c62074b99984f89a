"""Ending the execution of a flow at Twilio Studio, so that its bot stops answering the client."""

import json
from dataclasses import replace

import pytest
from django.db import connection
from django.utils import timezone

from relais.conversations.models import Conversation
from relais.whatsapp import client, studio_executions
from relais.whatsapp.studio_executions import end_executions
from tests.cast import FATOU

from .conftest import message_params

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


def test_the_execution_named_by_incoming_is_ended(double, twilio):
    execution = double.start_execution(FLOW, FATOU)
    other = double.start_execution(FLOW, "+212600000009")
    twilio.call("/api/twilio/incoming", message_params() | {"flow_sid": FLOW, "execution_sid": execution})
    end_executions(Conversation.objects.get().pk)
    assert double.execution_status(FLOW, execution) == "ended"
    assert double.execution_status(FLOW, other) == "active"
    end_executions(Conversation.objects.get().pk)


def test_without_a_name_all_executions_of_the_client_are_ended(double, twilio):
    execution, other = double.start_execution(FLOW, FATOU), double.start_execution(FLOW, "+212600000009")
    twilio.call("/api/twilio/incoming", message_params())
    end_executions(Conversation.objects.get().pk)
    assert (double.execution_status(FLOW, execution), double.execution_status(FLOW, other)) == (
        "ended",
        "active",
    )


def test_a_failed_page_of_executions_is_retried(double, twilio, monkeypatch):
    monkeypatch.setattr(studio_executions, "PAGE_SIZE", 2)
    monkeypatch.setattr(client, "PAGE_RETRY_PAUSES_SECONDS", (0.0,))
    executions = [double.start_execution(FLOW, FATOU) for _n in range(5)]
    twilio.call("/api/twilio/incoming", message_params())
    rule = double.fault("execution", "5xx", times=1, match={"page": "2"})
    end_executions(Conversation.objects.get().pk)
    assert rule.times == 0
    assert {double.execution_status(FLOW, each) for each in executions} == {"ended"}


def test_executions_on_the_pages_read_are_ended_before_the_rest_is_retried(double, twilio, monkeypatch):
    monkeypatch.setattr(studio_executions, "PAGE_SIZE", 2)
    monkeypatch.setattr(client, "PAGE_RETRY_PAUSES_SECONDS", (0.0,))
    executions = [double.start_execution(FLOW, FATOU) for _n in range(5)]
    twilio.call("/api/twilio/incoming", message_params())
    double.fault("execution", "5xx", match={"page": "2"})
    with pytest.raises(client.OutcomeUnknown):
        end_executions(Conversation.objects.get().pk)
    statuses = [double.execution_status(FLOW, each) for each in executions]
    assert (statuses.count("ended"), statuses.count("active")) == (4, 1)
    double.clear_faults()
    end_executions(Conversation.objects.get().pk)
    assert {double.execution_status(FLOW, each) for each in executions} == {"ended"}


def test_a_takeover_defers_the_job(with_bot, awa):
    with_bot.take_over(awa, at=timezone.now())
    assert len(jobs("end_executions", conversation_id=with_bot.pk)) == 1
