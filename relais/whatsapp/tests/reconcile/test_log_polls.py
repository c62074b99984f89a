"""Which numbers are polled and how far back, leases, and polls that fail."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from relais.conversations.models import ConversationEvent
from relais.emulator.testing import running_double
from relais.whatsapp import client
from relais.whatsapp.models import LogReconciliation, Poll
from relais.whatsapp.reconcile import log_polls
from relais.whatsapp.reconcile.status import reconciliation_status
from relais.whatsapp.tasks import PROCESS_STARTED_AT, poll_log_backlog, poll_recent_log
from tests.cast import FATOU, IBRAHIM, OUR_NUMBER, event_types_of

from .conftest import BOT_TASK, jobs, poll_backlog, poll_recent, reconciliation, shift_into_the_past

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_from_before_this_desk_was_connected_is_ingested(double, lost_message):
    double.double.settings.senders = dict.fromkeys(double.settings.senders)
    for n in range(3):
        double.client_writes(FATOU, f"à l'ancien bureau {n}").created_at -= timedelta(hours=1)
    poll_recent()
    poll_backlog()
    assert not ConversationEvent.objects.exists()


def test_a_new_desk_is_connected_since_its_process_began(double):
    """Not since the first poll, a minute later."""
    poll_recent_log(timestamp=0)
    assert reconciliation().connected_at == PROCESS_STARTED_AT
    poll_log_backlog(timestamp=0)
    assert reconciliation().looked_back_at > PROCESS_STARTED_AT


def test_another_account_of_the_same_number_starts_over(known, lost_message, settings, double):
    poll_recent()
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, twilio_account_sid="AC" + "7" * 32)
    before = reconciliation().connected_at
    LogReconciliation.get_or_create_for(OUR_NUMBER, account="AC" + "7" * 32, since=timezone.now())
    assert reconciliation().connected_at > before
    assert (reconciliation().completed_until, reconciliation().called_at) == (None, None)


def test_messages_of_other_senders_on_the_account_are_not_ours(known, double):
    double.settings.senders["whatsapp:+15550001111"] = None
    double.client_writes(IBRAHIM, "à un autre numéro", to="whatsapp:+15550001111")
    double.sdk().messages.create(to=IBRAHIM, from_="whatsapp:+15550001111", body="par un autre")
    double.wait_until_idle()
    poll_recent(minutes=10)
    assert ConversationEvent.objects.count() == 1
    assert reconciliation().foreign == 0


def test_another_number_that_clients_write_to_is_polled_too(known, double, lost_message, settings):
    second = "whatsapp:+15550001111"
    double.settings.senders[second] = double.settings.senders[OUR_NUMBER]
    double.client_writes(IBRAHIM, "Bonjour", to=second)
    poll_backlog(seconds=0)
    lost = lost_message("Allô", who=IBRAHIM, to=second)
    poll_recent()
    assert ConversationEvent.objects.get(message_sid=lost.sid).conversation.sender == second


def test_after_a_downtime_it_continues_where_it_stopped(known, lost_message, double):
    poll_recent()
    lost_message("Bonjour ?")
    double.advance(3600 * 5)
    lost_message("Toujours rien ?")
    poll_recent(hours=5, minutes=2)
    assert [e.body for e in known.events.filter(event_type="message_received").order_by("seq")] == [
        "Bonjour",
        "Bonjour ?",
        "Toujours rien ?",
    ]


def test_a_log_that_lags_is_polled_again(known, lost_message, double):
    lost_message("Vous êtes là ?")
    double.fault("list", "lag", ms=60_000)
    poll_recent()
    assert (ConversationEvent.objects.count(), reconciliation().missing) == (1, 0)
    double.clear_faults()
    poll_recent(minutes=2)
    assert ConversationEvent.objects.count() == 2


def test_a_message_that_appears_hours_late_is_found_by_the_backlog_poll(known, lost_message, double):
    lost = lost_message("Vous êtes là ?")
    double.fault("list", "lag", ms=60_000)
    for hours in (0.1, 1, 2):
        poll_recent(hours=hours)
    double.clear_faults()
    poll_recent(hours=3)
    assert ConversationEvent.objects.count() == 1
    poll_backlog(hours=3)
    assert ConversationEvent.objects.filter(message_sid=lost.sid).exists()


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setitem(log_polls.MIN_PAGE_SIZES, Poll.RECENT, 3)
    monkeypatch.setitem(log_polls.MIN_PAGE_SIZES, Poll.BACKLOG, 3)


def recovered_bodies():
    events = ConversationEvent.objects.filter(metadata__has_key="recovered").order_by("pk")
    return list(events.values_list("body", flat=True))


@pytest.mark.parametrize(("fault", "extra"), [("5xx", {}), ("429", {"retry_after": 3}), ("dropped", {})])
def test_a_page_that_fails_is_retried_after_a_pause(known, lost_message, double, small_pages, fault, extra):
    for n in range(8):
        lost_message(str(n))
    rule = double.fault("list", fault, times=2, match={"to": OUR_NUMBER, "page": "2"}, **extra)
    before, pauses = double.requests("list"), []
    poll_recent(sleep=pauses.append)
    assert rule.times == 0
    assert recovered_bodies() == [str(n) for n in range(8)]
    assert pauses == ([3, 3] if fault == "429" else [1, 2])
    assert double.requests("list") - before == 1 + 3 + 2, "no page is read anew but the one that failed"
    assert (reconciliation().missing, reconciliation().last_error) == (8, "")


def test_messages_before_a_failing_page_are_ingested_and_the_rest_later(
    known, lost_message, double, small_pages
):
    poll_recent(seconds=0)
    open_since = reconciliation().completed_until
    for n in range(8):
        lost_message(str(n))
    double.fault("list", "5xx", match={"to": OUR_NUMBER, "page": "2"})
    poll_recent()
    assert recovered_bodies() == [str(n) for n in range(2, 8)]
    assert (reconciliation().missing, reconciliation().recovered) == (6, 6)
    assert (reconciliation().completed_until, reconciliation().last_error) == (
        open_since,
        log_polls.TWILIO_NOT_RESPONDING,
    )
    assert not reconciliation_status(at=timezone.now()).is_complete
    double.clear_faults()
    poll_recent(minutes=2)
    assert sorted(recovered_bodies()) == [str(n) for n in range(8)]
    assert reconciliation().completed_until > open_since
    assert reconciliation_status(at=timezone.now()).is_complete


def test_an_interrupted_list_of_sent_messages_holds_no_client_back(known, lost_message, double, small_pages):
    """But then it is unknown whether someone else answered: an agent decides, not the bot."""
    double.advance(10)
    lost_message("Bonjour ?")
    double.advance(30)
    for n in range(4):
        double.sdk().messages.create(to=IBRAHIM, from_=OUR_NUMBER, body=f"console {n}")
    double.wait_until_idle()
    before = len(jobs(BOT_TASK))
    double.fault("list", "5xx", match={"from": OUR_NUMBER, "page": "1"})
    poll_recent(seconds=90)
    assert recovered_bodies() == ["Bonjour ?"]
    assert (len(jobs(BOT_TASK)), event_types_of(known)[-1]) == (before, "agent_transfer")


def test_the_bot_answers_messages_newer_than_the_interruption(known, lost_message, double, small_pages):
    for n in range(4):
        message = double.sdk().messages.create(to=IBRAHIM, from_=OUR_NUMBER, body=f"console {n}")
        shift_into_the_past(double, double.double.messages.get(message.sid))
    double.wait_until_idle()
    lost_message("Bonjour ?")
    before = len(jobs(BOT_TASK))
    double.fault("list", "5xx", match={"from": OUR_NUMBER, "page": "1"})
    poll_recent()
    assert len(jobs(BOT_TASK)) == before + 1


def test_a_long_retry_after_is_not_waited_for(known, lost_message, double):
    lost_message("Bonjour ?")
    double.fault("list", "429", retry_after=60)
    pauses = []
    poll_recent(sleep=pauses.append)
    assert (pauses, reconciliation().last_error) == ([], log_polls.TWILIO_NOT_RESPONDING)


def test_the_lease_is_renewed_while_a_page_is_retried(known, lost_message, double):
    passed = [timedelta(seconds=60)]
    double.fault("list", "5xx", times=2)

    def sleep(seconds):
        passed[0] += timedelta(seconds=90)  # As long as a page that hangs takes.

    log_polls.poll_recent(
        started_at=PROCESS_STARTED_AT, clock=lambda: timezone.now() + passed[0], sleep=sleep
    )
    assert (reconciliation().last_error, reconciliation().near_until) == ("", None)


def test_a_failed_backlog_poll_stays_visible_after_the_next_recent_poll(
    known, lost_message, double, small_pages
):
    double.fault("list", "5xx", match={"page": "0"})
    poll_backlog()
    double.clear_faults()
    poll_recent(minutes=2)
    assert (reconciliation().last_error, reconciliation().back_error) == ("", log_polls.TWILIO_NOT_RESPONDING)
    assert not reconciliation_status(at=timezone.now()).is_complete
    poll_backlog(hours=1)
    assert reconciliation_status(at=timezone.now()).is_complete


@pytest.mark.parametrize("fault", ["429", "5xx", "dropped"])
def test_a_log_that_cannot_be_read_is_retried_and_logged_once(known, lost_message, double, fault, caplog):
    poll_recent()
    well = reconciliation().last_ok_at
    lost_message("Vous êtes là ?")
    double.fault("list", fault)
    for minutes in (2, 3):
        poll_recent(minutes=minutes)
    assert (reconciliation().last_ok_at, reconciliation().last_error) == (
        well,
        log_polls.TWILIO_NOT_RESPONDING,
    )
    assert len([r for r in caplog.records if "reconciliation failed" in r.message]) == 1
    double.clear_faults()
    poll_recent(minutes=4)
    assert (reconciliation().last_error, reconciliation().recovered) == ("", 1)


def test_the_level_depends_on_the_time_since_the_last_success(known, double):
    poll_recent(seconds=0)
    with double.unreachable():
        poll_recent(seconds=1)
    at = timezone.now()
    levels = [reconciliation_status(at=at + timedelta(minutes=n)).level for n in (1, 6, 16)]
    assert levels == ["good", "attention", "danger"]
    assert reconciliation_status(at=at).error == log_polls.TWILIO_NOT_RESPONDING


def test_without_an_account_nothing_is_polled(settings, db):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, twilio_account_sid="", whatsapp_number="")
    poll_recent()
    poll_backlog()
    assert reconciliation_status(at=timezone.now()) is None
    assert not LogReconciliation.objects.exists()


def test_one_process_polls_at_a_time(known, double):
    poll_recent()
    at = timezone.now()
    first = reconciliation().acquire_lease(Poll.RECENT, at=at)
    assert first is not None
    assert reconciliation().acquire_lease(Poll.RECENT, at=at) is None
    assert reconciliation().acquire_lease(Poll.BACKLOG, at=at) is not None
    before = double.requests("list")
    poll_recent(seconds=1)
    assert double.requests("list") == before


def test_the_lease_of_a_dead_process_is_taken_over_and_it_notices(known):
    poll_recent()
    at = timezone.now()
    first = reconciliation().acquire_lease(Poll.RECENT, at=at)
    second = reconciliation().acquire_lease(Poll.RECENT, at=at + timedelta(minutes=3))
    assert second is not None
    assert reconciliation().renew_lease(Poll.RECENT, first, at=at + timedelta(minutes=3)) is None
    assert reconciliation().renew_lease(Poll.RECENT, second, at=at + timedelta(minutes=3)) is not None


def test_a_clock_set_back_does_not_block_the_lease(known):
    at = timezone.now()
    LogReconciliation.get_or_create_for(OUR_NUMBER, account="AC" + "0" * 32, since=at)
    assert reconciliation().acquire_lease(Poll.RECENT, at=at + timedelta(days=1)) is not None
    assert reconciliation().acquire_lease(Poll.RECENT, at=at) is not None


def test_a_second_double_of_another_account_is_not_mixed_in(known, lost_message, settings):
    lost_message("Vous êtes là ?")
    with running_double(sender=OUR_NUMBER) as other:
        settings.ENVIRONMENT = replace(
            settings.ENVIRONMENT,
            twilio_api_base_url=other.url,
            twilio_account_sid=other.settings.account_sid,
            twilio_auth_token=other.settings.auth_token,
        )
        client.twilio.cache_clear()
        poll_recent()
        assert reconciliation().account == other.settings.account_sid
    assert ConversationEvent.objects.count() == 1
