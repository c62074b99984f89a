"""Polls of Twilio's log at a later time, and messages whose hook is lost."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from relais.conversations.models import Conversation
from relais.whatsapp import client
from relais.whatsapp.models import LogReconciliation
from relais.whatsapp.reconcile import log_polls
from relais.whatsapp.tasks import PROCESS_STARTED_AT
from tests.cast import FATOU, OUR_NUMBER

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64


def poll_recent(*, sleep=lambda seconds: None, **later):
    """As if so much time had passed."""
    passed = timedelta(**(later or {"seconds": 60}))
    log_polls.poll_recent(started_at=PROCESS_STARTED_AT, clock=lambda: timezone.now() + passed, sleep=sleep)


def poll_backlog(*, sleep=lambda seconds: None, **later):
    passed = timedelta(**(later or {"seconds": 60}))
    log_polls.poll_backlog(started_at=PROCESS_STARTED_AT, clock=lambda: timezone.now() + passed, sleep=sleep)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Between the retries of a page of media."""
    monkeypatch.setattr(client, "QUICK_PAGE_RETRY_PAUSES_SECONDS", (0.0,))


def reconciliation():
    return LogReconciliation.objects.get(pk=OUR_NUMBER)


@pytest.fixture
def lost_message(double):
    """A client writes, the hook of this message gets lost, and Twilio gives up."""

    def lost_message(text, *, who=FATOU, **more):
        rule = double.fault("inbound", "never", times=1)
        message = double.client_writes(who, text, **more)
        assert rule.times == 0
        return message

    return lost_message


@pytest.fixture
def known(double, settings):
    """The desk has been connected for half an hour, and a first message of Fatou's came as it should."""
    account = settings.ENVIRONMENT.twilio_account_sid
    LogReconciliation.get_or_create_for(
        OUR_NUMBER, account=account, since=timezone.now() - timedelta(minutes=30)
    )
    double.client_writes(FATOU, "Bonjour", name="Fatou")
    return Conversation.objects.get()


def jobs(task):
    with connection.cursor() as cursor:
        cursor.execute("select args from procrastinate_jobs where task_name = %s order by id", [task])
        return [json.loads(args) for (args,) in cursor.fetchall()]


BOT_TASK = "relais.flows.tasks.run_bot"


def shift_into_the_past(double, message, seconds=20):
    message.created_at -= timedelta(seconds=seconds)


@pytest.fixture
def studio(settings):
    def studio():
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, bot="studio", studio_flow_sid="FW" + "1" * 32)

    return studio
