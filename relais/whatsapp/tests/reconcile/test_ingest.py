"""Messages of clients that are in Twilio's log and not in the database are ingested, once."""

import threading
from datetime import timedelta

import pytest
from django.db import DataError, connection
from django.utils import timezone

from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMessage
from relais.conversations.models import Conversation, ConversationEvent, Media
from relais.whatsapp import client
from relais.whatsapp.inbound.message_parser import parse_message
from relais.whatsapp.inbound.params import clean_params
from relais.whatsapp.media.download import RetryableDownloadError, fetch
from relais.whatsapp.models import Poll
from relais.whatsapp.reconcile import diff, log_polls
from relais.whatsapp.reconcile.status import reconciliation_status
from tests.cast import FATOU, IBRAHIM, OUR_NUMBER, event_types_of

from .conftest import BOT_TASK, PNG, jobs, poll_backlog, poll_recent, reconciliation, shift_into_the_past

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_message_whose_hook_was_lost_is_stored_with_its_true_time(known, lost_message):
    lost = lost_message("Vous êtes là ?")
    poll_recent()
    event = ConversationEvent.objects.get(message_sid=lost.sid)
    assert (event.body, event.event_type, event.conversation) == ("Vous êtes là ?", "message_received", known)
    assert (event.metadata["recovered"], event.author_name) == (True, "Fatou")
    assert event.written_at == lost.created_at.replace(microsecond=0) < event.created_at
    assert (reconciliation().missing, reconciliation().left, reconciliation().recovered) == (1, 0, 1)
    poll_recent()
    assert ConversationEvent.objects.count() == 2
    assert (reconciliation().missing, reconciliation().recovered) == (0, 1)


def test_the_bot_answers_it_when_it_was_lost_for_a_minute(known, lost_message):
    before = len(jobs(BOT_TASK))
    lost_message("Vous êtes là ?")
    poll_recent()
    assert len(jobs(BOT_TASK)) == before + 1


def test_after_hours_an_agent_is_asked_for_instead(known, lost_message):
    before = len(jobs(BOT_TASK))
    lost_message("Vous êtes là ?")
    poll_recent(hours=3)
    assert len(jobs(BOT_TASK)) == before
    known.refresh_from_db()
    assert (known.status, known.agent) == ("transferred", None)
    assert event_types_of(known)[-2:] == ["message_received", "agent_transfer"]


def test_a_message_that_the_conversation_went_on_without_is_only_shown(known, lost_message, double):
    """An answer to an old question, taken for one to a newer one, would be worse than silence."""
    lost = lost_message("Bonjour ?")
    double.client_writes(FATOU, "Allô ?")
    shift_into_the_past(double, lost)
    before = len(jobs(BOT_TASK))
    poll_recent()
    event = ConversationEvent.objects.get(message_sid=lost.sid)
    assert event.is_too_late_for_bot
    assert len(jobs(BOT_TASK)) == before
    known.refresh_from_db()
    assert known.status == "active"


def test_its_holder_sees_it_unread_and_no_other_agent_is_asked_for(known, lost_message, awa):
    known.take_over(awa, at=timezone.now() - timedelta(minutes=1))
    lost_message("Vous êtes là ?")
    poll_recent(hours=3)
    known.refresh_from_db()
    assert (known.agent, known.is_unread) == (awa, True)
    assert event_types_of(known)[-1] == "message_received"


def test_the_bot_does_not_answer_after_someone_answered_from_the_console(known, lost_message, double):
    lost = lost_message("Bonjour ?")
    shift_into_the_past(double, lost)
    double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body="Écrit depuis la console.")
    double.wait_until_idle()
    before = len(jobs(BOT_TASK))
    poll_recent()
    assert ConversationEvent.objects.get(message_sid=lost.sid).is_too_late_for_bot
    assert len(jobs(BOT_TASK)) == before


def test_the_bot_does_not_answer_where_twilio_never_called_a_hook(lost_message):
    """Another desk may still answer this number's clients: a person decides."""
    lost_message("Bonjour")
    poll_recent()
    conversation = Conversation.objects.get()
    assert jobs(BOT_TASK) == []
    assert event_types_of(conversation) == ["message_received", "agent_transfer"]
    assert reconciliation_status(at=timezone.now()).is_called is False


def test_messages_recovered_from_the_log_do_not_count_as_called(lost_message, double):
    lost_message("Bonjour")
    poll_recent()
    lost_message("Encore")
    poll_recent(minutes=2)
    assert reconciliation().called_at is None
    double.client_writes(FATOU, "Enfin")
    lost_message("Et encore")
    poll_recent(minutes=4)
    assert reconciliation().called_at is not None


def test_the_hook_has_a_grace_period(known, lost_message):
    lost_message("Vous êtes là ?")
    poll_recent(seconds=5)
    assert ConversationEvent.objects.count() == 1
    poll_recent(seconds=31)
    assert ConversationEvent.objects.count() == 2


def test_a_late_hook_is_deduplicated(known, lost_message):
    lost = lost_message("Vous êtes là ?")
    poll_recent()
    params = clean_params(
        {"MessageSid": [lost.sid], "From": [FATOU], "To": [OUR_NUMBER], "Body": [lost.body]}
    )
    answer = ingest([parse_message(params, bot_here=True)], at=timezone.now())[lost.sid]
    assert answer.occurred_at, "as it was stored from the log"
    assert ConversationEvent.objects.count() == 2


def test_a_hook_at_the_same_moment_stores_one_message(known, lost_message, monkeypatch):
    """It commits between our reading the log and our receiving the message."""
    lost = lost_message("Vous êtes là ?")
    by_hook = InboundMessage(sid=lost.sid, address=FATOU, sender=OUR_NUMBER, body=lost.body, bot_here=True)
    as_usual = diff.ingest_recovered

    def hook_first(*args, **kwargs):
        ingest([by_hook], at=timezone.now())
        return as_usual(*args, **kwargs)

    monkeypatch.setattr(diff, "ingest_recovered", hook_first)
    poll_recent(hours=3)
    event = ConversationEvent.objects.get(message_sid=lost.sid)
    assert "recovered" not in event.metadata
    assert event_types_of(known) == ["message_received", "message_received"]
    assert (reconciliation().missing, reconciliation().recovered) == (0, 0)


def test_concurrent_hooks_and_polls_store_each_message_once(known, double, monkeypatch):
    """Without the half minute's grace: hooks, their repetitions and two looks all want the same messages."""
    monkeypatch.setattr(diff, "HOOK_GRACE_PERIOD", timedelta())
    double.fault("inbound", "never", probability=0.4)
    double.fault("inbound", "redelivery", probability=0.4)
    double.settings.inbound_in_order = False
    over = threading.Event()

    def reads(how):
        while not over.is_set():
            how(seconds=0)
        connection.close()

    readers = [threading.Thread(target=reads, args=[how]) for how in (poll_recent, poll_backlog)]
    for reader in readers:
        reader.start()
    try:
        sent = [double.client_writes((FATOU, IBRAHIM)[n % 2], str(n), wait=False).sid for n in range(40)]
        double.wait_until_idle()
        received = ConversationEvent.objects.filter(message_sid__in=sent)
        double.wait_for(lambda: received.count() == 40)
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert ConversationEvent.objects.filter(event_type="message_received").count() == 41
    for conversation in Conversation.objects.all():
        seqs = list(conversation.events.order_by("seq").values_list("seq", flat=True))
        assert seqs == list(range(1, len(seqs) + 1))
    assert reconciliation().last_error == ""


def test_messages_of_a_client_keep_their_order(known, lost_message):
    for n in range(5):
        lost_message(str(n))
    poll_recent()
    assert [e.body for e in known.events.order_by("seq")] == ["Bonjour", "0", "1", "2", "3", "4"]


def test_many_missing_messages_are_ingested_in_passes(known, lost_message, double, monkeypatch):
    monkeypatch.setitem(log_polls.MIN_PAGE_SIZES, Poll.RECENT, 2)
    monkeypatch.setattr(diff, "MAX_INGESTED_PER_PASS", 3)
    monkeypatch.setattr(diff, "CHUNK_SIZE", 4)
    for n in range(8):
        lost_message(str(n), who=(FATOU, IBRAHIM)[n % 2])
    before = double.requests("list")
    poll_recent()
    assert [e.body for e in known.events.order_by("seq")] == ["Bonjour", "0", "2", "4", "6"]
    assert ConversationEvent.objects.filter(event_type="message_received").count() == 9
    assert double.requests("list") - before > 9 / 2
    assert (reconciliation().missing, reconciliation().recovered, reconciliation().left) == (8, 8, 0)
    assert reconciliation().compared == 9


def test_a_busy_desk_uses_larger_pages(known, double, monkeypatch):
    monkeypatch.setitem(log_polls.MIN_PAGE_SIZES, Poll.RECENT, 2)
    for n in range(9):
        double.client_writes(FATOU, str(n))
    counts = [double.requests("list")]
    for minutes in (1, 2):
        poll_recent(minutes=minutes)
        counts.append(double.requests("list"))
    assert (counts[1] - counts[0], counts[2] - counts[1]) == (6, 2)


def test_its_media_are_fetched(known, lost_message):
    lost = lost_message("", media=(PNG, "image/png", "photo.png"))
    poll_recent()
    media = Media.objects.get(event__message_sid=lost.sid)
    assert (media.declared_type, media.url) == ("image/png", lost.media[0].url)
    assert jobs("relais.whatsapp.tasks.fetch_media") == [{"media_id": media.pk}]


def test_a_message_whose_media_cannot_be_listed_holds_back_only_its_own_client(known, lost_message, double):
    lost_message("voilà", media=(PNG, "image/png", "photo.png"))
    lost_message("et donc ?")
    lost_message("Bonjour", who=IBRAHIM)
    fault = double.fault("media", "5xx")
    poll_recent()
    assert Conversation.objects.filter(address__address=IBRAHIM).exists()
    assert known.events.count() == 1
    assert (reconciliation().left, reconciliation().missing) == (2, 3)
    double.clear_faults()
    poll_recent(minutes=2)
    assert [e.body for e in known.events.order_by("seq")] == ["Bonjour", "voilà", "et donc ?"]
    assert reconciliation().left == 0
    assert fault.id


def test_media_that_cannot_be_listed_hold_back_no_text_of_others(known, lost_message, double):
    """However many they are: after some failures no more are requested, and the poll continues."""
    several = [f"whatsapp:+2126100000{n:02d}" for n in range(diff.MAX_MEDIA_FAILURES + 1)]
    for who in several:
        lost_message("voilà", who=who, media=(PNG, "image/png", "photo.png"))
    lost_message("Bonjour", who=IBRAHIM)
    double.fault("media", "5xx")
    poll_recent()
    assert Conversation.objects.filter(address__address=IBRAHIM).exists()
    assert (reconciliation().recovered, reconciliation().left, reconciliation().last_error) == (
        1,
        len(several),
        "",
    )
    double.clear_faults()
    poll_recent(minutes=2)
    assert (reconciliation().recovered, reconciliation().left) == (1 + len(several), 0)


def test_a_message_whose_media_list_is_refused_is_stored_and_the_list_requested_later(
    known, lost_message, double, monkeypatch, settings, tmp_path
):
    """A refusal of their list may pass like one of the pictures themselves."""
    settings.MEDIA_FOLDER = tmp_path / "media"
    lost = lost_message("voilà", media=(PNG, "image/png", "photo.png"))

    def refused(sid):
        raise client.TwilioRefused(20404)

    with monkeypatch.context() as while_refused:
        while_refused.setattr(client, "list_media", refused)
        poll_recent()
        media = Media.objects.get(event__message_sid=lost.sid)
        assert jobs("relais.whatsapp.tasks.fetch_media") == [{"media_id": media.pk}]
        with pytest.raises(client.TwilioRefused):
            fetch(media)
    assert Media.objects.get().state == "waiting"
    fetch(media)
    assert (media.state, media.filename) == ("stored", "photo.png")


def test_media_missing_from_the_list_are_retried(known, lost_message, double, monkeypatch):
    lost_message("voilà", media=(PNG, "image/png", "photo.png"))
    double.fault("media", "5xx")
    poll_recent(hours=25)
    double.clear_faults()
    monkeypatch.setattr(client, "list_media", lambda sid: [])
    with pytest.raises(RetryableDownloadError):
        fetch(Media.objects.get())


def test_a_message_that_cannot_be_stored_holds_back_only_its_own_client(
    known, lost_message, monkeypatch, caplog
):
    lost_message("empoisonné")
    lost_message("et donc ?")
    lost_message("Bonjour", who=IBRAHIM)
    as_usual = diff.ingest_recovered

    def poisoned(message, *args, **kwargs):
        if message.body == "empoisonné":
            raise DataError("no such character")
        return as_usual(message, *args, **kwargs)

    monkeypatch.setattr(diff, "ingest_recovered", poisoned)
    poll_recent()
    assert Conversation.objects.filter(address__address=IBRAHIM).exists()
    assert (known.events.count(), reconciliation().left) == (1, 2)
    assert "could not be ingested" in caplog.text
    assert "empoisonné" not in caplog.text
    poll_recent(hours=2)
    assert reconciliation().completed_until > timezone.now() + timedelta(hours=1, minutes=59)


def test_a_message_recovered_after_its_conversation_ended_opens_another(known, lost_message, awa):
    known.take_over(awa, at=timezone.now())
    lost = lost_message("Merci")
    known.close(awa, at=timezone.now())
    poll_recent(hours=1)
    event = ConversationEvent.objects.get(message_sid=lost.sid)
    assert event.conversation != known


def test_the_service_window_starts_when_the_message_was_written(known, lost_message):
    lost = lost_message("Vous êtes là ?")
    poll_recent(hours=30)
    known.refresh_from_db()
    assert known.window_closes_at() - known.last_inbound_at == timedelta(hours=24)
    assert abs(known.last_inbound_at - lost.created_at) < timedelta(seconds=2)
