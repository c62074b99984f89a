"""Twilio's message log, read page by page."""

from datetime import timedelta

import pytest
from django.utils import timezone

from relais.whatsapp import client
from tests.cast import FATOU, OUR_NUMBER

KOFFI_AT_HOME = "whatsapp:+2250700000001"


def bodies(**filters):
    return [each.body for each in client.list_messages(**filters)]


@pytest.fixture
def talk(double):
    """Five texts of Fatou's, one of somebody else."""
    for n in range(5):
        double.client_writes(FATOU, f"{n}", wait=False)
    double.client_writes(KOFFI_AT_HOME, "moi aussi", wait=False)
    return double


@pytest.mark.parametrize("page_size", [1, 2, 5, 100])
def test_the_list_is_newest_first_over_all_pages(talk, page_size):
    assert bodies(page_size=page_size) == ["moi aussi", "4", "3", "2", "1", "0"]
    assert bodies(sender=FATOU, page_size=page_size) == ["4", "3", "2", "1", "0"]
    assert bodies(to=FATOU, page_size=page_size) == []


def test_queued_messages_are_listed(double):
    double.settings.sent_after_ms = 60_000
    sid = client.send_message(to=FATOU, sender=OUR_NUMBER, body="bonjour")
    [message] = client.list_messages(to=FATOU, sender=OUR_NUMBER, since=timezone.now() - timedelta(seconds=5))
    assert (message.sid, message.body, message.status, message.date_sent) == (sid, "bonjour", "queued", None)
    assert (message.direction, message.num_media) == ("outbound-api", 0)


def test_the_list_is_limited_to_the_second(talk):
    now = timezone.now()
    assert len(bodies(since=now - timedelta(minutes=1), until=now)) == 6
    assert bodies(until=now - timedelta(minutes=1)) == []
    talk.advance(600)
    talk.client_writes(FATOU, "plus tard", wait=False)
    assert bodies(since=now + timedelta(minutes=5)) == ["plus tard"]
    assert len(bodies(until=now + timedelta(minutes=5))) == 6


def test_pages_older_than_requested_are_not_read(talk):
    talk.advance(600)
    for n in range(3):
        talk.client_writes(FATOU, f"plus tard {n}", wait=False)
    before = talk.requests("list")
    assert len(bodies(since=timezone.now() + timedelta(minutes=5), page_size=2)) == 3
    assert talk.requests("list") - before == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [("429", client.RetryLater), ("5xx", client.OutcomeUnknown), ("dropped", client.OutcomeUnknown)],
)
def test_an_unreadable_log_raises_and_is_not_empty(double, fault, error):
    double.fault("list", fault)
    with pytest.raises(error):
        bodies(sleep=lambda seconds: None)


def test_a_rejected_request_raises_and_is_not_empty(double):
    double.settings.auth_token = "another"
    with pytest.raises(client.TwilioRefused):
        bodies()
