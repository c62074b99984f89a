"""The rule of the waiting text: one SQL file, its interval a parameter. `test_lifecycle.py` tests when it is due."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from relais.conversations import inbound
from relais.conversations.models import ConversationEvent
from relais.conversations.time_limits import WAITING_TEXT_INTERVAL

pytestmark = pytest.mark.django_db
FILE = Path(inbound.__file__).with_name("waiting_text.sql")


def is_due(conversation, at, interval):
    with connection.cursor() as cursor:
        cursor.execute("select relais_waiting_text_due(%s, %s, %s)", [conversation.pk, at, interval])
        return cursor.fetchone()[0]


def test_the_installed_function_is_the_one_in_the_file():
    with connection.cursor() as cursor:
        cursor.execute("select prosrc from pg_proc where proname = 'relais_waiting_text_due'")
        [[body]] = cursor.fetchall()
    assert body == FILE.read_text().split("$$")[1]


def test_processes_of_the_previous_version_find_the_function_that_they_call():
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_proc where proname = 'relais_waiting_due'")
        assert cursor.fetchone() == (1,)


def test_the_interval_decides_when_the_next_one_is_due(waiting, fatou_writes, clock):
    fatou_writes("allô ?")
    assert ConversationEvent.objects.filter(waiting_due=True).count() == 1
    later = clock.passes(minutes=4)
    assert not is_due(waiting, later, WAITING_TEXT_INTERVAL)
    assert not is_due(waiting, later, timedelta(minutes=5))
    assert is_due(waiting, later, timedelta(minutes=3))


def test_ingest_waits_for_the_interval_of_the_constant(waiting, fatou_writes, clock):
    fatou_writes("allô ?")
    clock.passes(seconds=WAITING_TEXT_INTERVAL.total_seconds() - 1)
    fatou_writes("toujours là ?")
    clock.passes(seconds=1)
    fatou_writes("et maintenant ?")
    due = ConversationEvent.objects.filter(waiting_due=True).order_by("seq")
    assert [event.body for event in due] == ["allô ?", "et maintenant ?"]


def test_nobody_waits_in_a_conversation_with_the_bot(with_bot, clock):
    assert not is_due(with_bot, clock.now, timedelta(0))
