"""Twilio's log, read against what stands here: what a hook lost is found, once, and nothing else is touched."""

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import DataError, connection
from django.utils import timezone

from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMessage
from relais.conversations.models import Conversation, ConversationEvent, Media, MessageDelivery
from relais.emulator.testing import running_double
from relais.whatsapp import client
from relais.whatsapp.inbound.messages import parse_message
from relais.whatsapp.inbound.params import clean_params
from relais.whatsapp.media.download import RetryableDownloadError, fetch
from relais.whatsapp.models import LogReconciliation, Poll
from relais.whatsapp.reconcile import diff, schedule
from relais.whatsapp.reconcile.status import reconciliation_status
from relais.whatsapp.reconcile.studio_messages import record
from relais.whatsapp.tasks import PROCESS_STARTED_AT, poll_log_backlog, poll_recent_log
from tests.cast import FATOU, IBRAHIM, OUR_NUMBER, event_types_of

pytestmark = pytest.mark.django_db(transaction=True)
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64


def poll_recent(*, sleep=lambda seconds: None, **later):
    """As if so much time had passed."""
    passed = timedelta(**(later or {"seconds": 60}))
    schedule.poll_recent(started_at=PROCESS_STARTED_AT, clock=lambda: timezone.now() + passed, sleep=sleep)


def poll_backlog(*, sleep=lambda seconds: None, **later):
    passed = timedelta(**(later or {"seconds": 60}))
    schedule.poll_backlog(started_at=PROCESS_STARTED_AT, clock=lambda: timezone.now() + passed, sleep=sleep)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Where a page of pictures is asked for again."""
    monkeypatch.setattr(client, "QUICK_PAGE_RETRY_PAUSES_SECONDS", (0.0,))


def reading():
    return LogReconciliation.objects.get(pk=OUR_NUMBER)


@pytest.fixture
def never(double):
    """The hook of what a client writes next gets lost, and Twilio gives up."""

    def never(text, *, who=FATOU, **more):
        rule = double.fault("inbound", "never", times=1)
        message = double.client_writes(who, text, **more)
        assert rule.times == 0
        return message

    return never


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


BOT = "relais.flows.tasks.run_bot"


# -- what clients wrote ----------------------------------------------------------------------------------


def test_a_message_that_never_reached_us_is_received_with_its_true_time(known, never):
    lost = never("Vous êtes là ?")
    poll_recent()
    event = ConversationEvent.objects.get(message_sid=lost.sid)
    assert (event.body, event.event_type, event.conversation) == ("Vous êtes là ?", "message_received", known)
    assert (event.metadata["recovered"], event.author_name) == (True, "Fatou")
    assert event.written_at == lost.created_at.replace(microsecond=0) < event.created_at
    assert (reading().missing, reading().left, reading().recovered) == (1, 0, 1)
    poll_recent()
    assert ConversationEvent.objects.count() == 2
    assert (reading().missing, reading().recovered) == (0, 1)


def test_the_bot_answers_it_when_it_was_lost_for_a_minute(known, never):
    before = len(jobs(BOT))
    never("Vous êtes là ?")
    poll_recent()
    assert len(jobs(BOT)) == before + 1


def test_after_hours_a_person_is_asked_instead(known, never):
    before = len(jobs(BOT))
    never("Vous êtes là ?")
    poll_recent(hours=3)
    assert len(jobs(BOT)) == before
    known.refresh_from_db()
    assert (known.status, known.agent) == ("transferred", None)
    assert event_types_of(known)[-2:] == ["message_received", "agent_transfer"]


def test_what_the_conversation_went_on_without_is_only_shown(known, never, double):
    """An answer to an old question, taken for one to a newer one, would be worse than silence."""
    lost = never("Bonjour ?")
    double.client_writes(FATOU, "Allô ?")
    shift_into_the_past(double, lost)
    before = len(jobs(BOT))
    poll_recent()
    event = ConversationEvent.objects.get(message_sid=lost.sid)
    assert event.is_too_late_for_bot
    assert len(jobs(BOT)) == before
    known.refresh_from_db()
    assert known.status == "active"


def shift_into_the_past(double, message, seconds=20):
    message.created_at -= timedelta(seconds=seconds)


def test_its_holder_sees_it_unread_and_nobody_else_is_asked(known, never, awa):
    known.take_over(awa, at=timezone.now() - timedelta(minutes=1))
    never("Vous êtes là ?")
    poll_recent(hours=3)
    known.refresh_from_db()
    assert (known.agent, known.is_unread) == (awa, True)
    assert event_types_of(known)[-1] == "message_received"


def test_one_written_after_someone_else_answered_from_the_console_is_not_answered(known, never, double):
    lost = never("Bonjour ?")
    shift_into_the_past(double, lost)
    double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body="Écrit depuis la console.")
    double.wait_until_idle()
    before = len(jobs(BOT))
    poll_recent()
    assert ConversationEvent.objects.get(message_sid=lost.sid).is_too_late_for_bot
    assert len(jobs(BOT)) == before


def test_where_twilio_never_called_us_the_bot_does_not_speak(never):
    """Another desk may still answer this number's clients: a person decides."""
    never("Bonjour")
    poll_recent()
    conversation = Conversation.objects.get()
    assert jobs(BOT) == []
    assert event_types_of(conversation) == ["message_received", "agent_transfer"]
    assert reconciliation_status(at=timezone.now()).is_called is False


def test_what_came_by_the_log_does_not_count_as_called(never, double):
    never("Bonjour")
    poll_recent()
    never("Encore")
    poll_recent(minutes=2)
    assert reading().called_at is None
    double.client_writes(FATOU, "Enfin")
    never("Et encore")
    poll_recent(minutes=4)
    assert reading().called_at is not None


def test_the_hook_goes_first(known, never):
    never("Vous êtes là ?")
    poll_recent(seconds=5)
    assert ConversationEvent.objects.count() == 1
    poll_recent(seconds=31)
    assert ConversationEvent.objects.count() == 2


def test_a_hook_that_comes_after_all_is_answered_as_known(known, never):
    lost = never("Vous êtes là ?")
    poll_recent()
    params = clean_params(
        {"MessageSid": [lost.sid], "From": [FATOU], "To": [OUR_NUMBER], "Body": [lost.body]}
    )
    answer = ingest([parse_message(params, bot_here=True)], at=timezone.now())[lost.sid]
    assert answer.occurred_at, "as it was stored: found in the log"
    assert ConversationEvent.objects.count() == 2


def test_a_hook_at_the_same_moment_leaves_one(known, never, monkeypatch):
    """It commits between our reading the log and our receiving the message."""
    lost = never("Vous êtes là ?")
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
    assert (reading().missing, reading().recovered) == (0, 0)


def test_while_hooks_come_the_log_is_read_again_and_again_and_each_message_is_there_once(
    known, double, monkeypatch
):
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
    assert reading().last_error == ""


def test_what_a_client_wrote_comes_in_its_order(known, never):
    for n in range(5):
        never(str(n))
    poll_recent()
    assert [e.body for e in known.events.order_by("seq")] == ["Bonjour", "0", "1", "2", "3", "4"]


def test_many_pages_are_read_and_many_missing_taken_in_by_and_by(known, never, double, monkeypatch):
    monkeypatch.setitem(schedule.MIN_PAGE_SIZES, Poll.RECENT, 2)
    monkeypatch.setattr(diff, "MAX_INGESTED_PER_PASS", 3)
    monkeypatch.setattr(diff, "CHUNK_SIZE", 4)
    for n in range(8):
        never(str(n), who=(FATOU, IBRAHIM)[n % 2])
    before = double.requests("list")
    poll_recent()
    assert [e.body for e in known.events.order_by("seq")] == ["Bonjour", "0", "2", "4", "6"]
    assert ConversationEvent.objects.filter(event_type="message_received").count() == 9
    assert double.requests("list") - before > 9 / 2
    assert (reading().missing, reading().recovered, reading().left) == (8, 8, 0)
    assert reading().compared == 9


def test_a_busy_desk_asks_for_larger_pages(known, double, monkeypatch):
    monkeypatch.setitem(schedule.MIN_PAGE_SIZES, Poll.RECENT, 2)
    for n in range(9):
        double.client_writes(FATOU, str(n))
    asked = [double.requests("list")]
    for minutes in (1, 2):
        poll_recent(minutes=minutes)
        asked.append(double.requests("list"))
    assert (asked[1] - asked[0], asked[2] - asked[1]) == (6, 2)


def test_a_picture_comes_with_it(known, never):
    lost = never("", media=(PNG, "image/png", "photo.png"))
    poll_recent()
    media = Media.objects.get(event__message_sid=lost.sid)
    assert (media.declared_type, media.url) == ("image/png", lost.media[0].url)
    assert jobs("relais.whatsapp.tasks.fetch_media") == [{"media_id": media.pk}]


def test_one_whose_picture_cannot_be_listed_keeps_back_only_its_own_client(known, never, double):
    never("voilà", media=(PNG, "image/png", "photo.png"))
    never("et donc ?")
    never("Bonjour", who=IBRAHIM)
    fault = double.fault("media", "5xx")
    poll_recent()
    assert Conversation.objects.filter(address__address=IBRAHIM).exists()
    assert known.events.count() == 1
    assert (reading().left, reading().missing) == (2, 3)
    double.clear_faults()
    poll_recent(minutes=2)
    assert [e.body for e in known.events.order_by("seq")] == ["Bonjour", "voilà", "et donc ?"]
    assert reading().left == 0
    assert fault.id


def test_pictures_that_cannot_be_listed_keep_back_no_text_of_others(known, never, double):
    """However many they are: none of those is asked for any more, and the look goes on."""
    several = [f"whatsapp:+2126100000{n:02d}" for n in range(diff.MAX_MEDIA_FAILURES + 1)]
    for who in several:
        never("voilà", who=who, media=(PNG, "image/png", "photo.png"))
    never("Bonjour", who=IBRAHIM)
    double.fault("media", "5xx")
    poll_recent()
    assert Conversation.objects.filter(address__address=IBRAHIM).exists()
    assert (reading().recovered, reading().left, reading().last_error) == (1, len(several), "")
    double.clear_faults()
    poll_recent(minutes=2)
    assert (reading().recovered, reading().left) == (1 + len(several), 0)


def test_one_whose_pictures_are_refused_is_received_and_they_are_asked_for_later(
    known, never, double, monkeypatch, settings, tmp_path
):
    """A refusal of their list may pass like one of the pictures themselves."""
    settings.MEDIA_FOLDER = tmp_path / "media"
    lost = never("voilà", media=(PNG, "image/png", "photo.png"))

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


def test_a_picture_that_the_list_does_not_have_is_asked_for_again(known, never, double, monkeypatch):
    never("voilà", media=(PNG, "image/png", "photo.png"))
    double.fault("media", "5xx")
    poll_recent(hours=25)
    double.clear_faults()
    monkeypatch.setattr(client, "list_media", lambda sid: [])
    with pytest.raises(RetryableDownloadError):
        fetch(Media.objects.get())


def test_one_that_cannot_be_stored_keeps_back_only_its_own_client(known, never, monkeypatch, caplog):
    never("empoisonné")
    never("et donc ?")
    never("Bonjour", who=IBRAHIM)
    as_usual = diff.ingest_recovered

    def poisoned(message, *args, **kwargs):
        if message.body == "empoisonné":
            raise DataError("no such character")
        return as_usual(message, *args, **kwargs)

    monkeypatch.setattr(diff, "ingest_recovered", poisoned)
    poll_recent()
    assert Conversation.objects.filter(address__address=IBRAHIM).exists()
    assert (known.events.count(), reading().left) == (1, 2)
    assert "could not be ingested" in caplog.text
    assert "empoisonné" not in caplog.text
    poll_recent(hours=2)
    assert reading().completed_until > timezone.now() + timedelta(hours=1, minutes=59)


def test_one_healed_after_its_conversation_ended_opens_another(known, never, awa):
    known.take_over(awa, at=timezone.now())
    lost = never("Merci")
    known.close(awa, at=timezone.now())
    poll_recent(hours=1)
    event = ConversationEvent.objects.get(message_sid=lost.sid)
    assert event.conversation != known


def test_the_window_runs_from_when_it_was_written(known, never):
    lost = never("Vous êtes là ?")
    poll_recent(hours=30)
    known.refresh_from_db()
    assert known.window_closes_at() - known.last_inbound_at == timedelta(hours=24)
    assert abs(known.last_inbound_at - lost.created_at) < timedelta(seconds=2)


# -- whose messages, and since when ------------------------------------------------------------------------


def test_nothing_from_before_this_desk_was_connected_is_taken_in(double, never):
    double.double.settings.senders = dict.fromkeys(double.settings.senders)
    for n in range(3):
        double.client_writes(FATOU, f"à l'ancien bureau {n}").created_at -= timedelta(hours=1)
    poll_recent()
    poll_backlog()
    assert not ConversationEvent.objects.exists()


def test_a_new_desk_is_connected_since_its_process_began(double):
    """Not since the first look, a minute later."""
    poll_recent_log(timestamp=0)
    assert reading().connected_at == PROCESS_STARTED_AT
    poll_log_backlog(timestamp=0)
    assert reading().looked_back_at > PROCESS_STARTED_AT


def test_another_account_of_the_same_number_begins_anew(known, never, settings, double):
    poll_recent()
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, twilio_account_sid="AC" + "7" * 32)
    before = reading().connected_at
    LogReconciliation.get_or_create_for(OUR_NUMBER, account="AC" + "7" * 32, since=timezone.now())
    assert reading().connected_at > before
    assert (reading().completed_until, reading().called_at) == (None, None)


def test_messages_of_other_senders_on_the_account_are_not_ours(known, double):
    double.settings.senders["whatsapp:+15550001111"] = None
    double.client_writes(IBRAHIM, "à un autre numéro", to="whatsapp:+15550001111")
    double.sdk().messages.create(to=IBRAHIM, from_="whatsapp:+15550001111", body="par un autre")
    double.wait_until_idle()
    poll_recent(minutes=10)
    assert ConversationEvent.objects.count() == 1
    assert reading().foreign == 0


def test_another_number_that_clients_write_to_here_is_read_too(known, double, never, settings):
    second = "whatsapp:+15550001111"
    double.settings.senders[second] = double.settings.senders[OUR_NUMBER]
    double.client_writes(IBRAHIM, "Bonjour", to=second)
    poll_backlog(seconds=0)
    lost = never("Allô", who=IBRAHIM, to=second)
    poll_recent()
    assert ConversationEvent.objects.get(message_sid=lost.sid).conversation.sender == second


def test_after_a_downtime_it_goes_on_where_it_stopped(known, never, double):
    poll_recent()
    never("Bonjour ?")
    double.advance(3600 * 5)
    never("Toujours rien ?")
    poll_recent(hours=5, minutes=2)
    assert [e.body for e in known.events.filter(event_type="message_received").order_by("seq")] == [
        "Bonjour",
        "Bonjour ?",
        "Toujours rien ?",
    ]


def test_a_log_that_lags_is_read_again(known, never, double):
    never("Vous êtes là ?")
    double.fault("list", "lag", ms=60_000)
    poll_recent()
    assert (ConversationEvent.objects.count(), reading().missing) == (1, 0)
    double.clear_faults()
    poll_recent(minutes=2)
    assert ConversationEvent.objects.count() == 2


def test_what_the_log_told_hours_late_is_found_by_looking_back(known, never, double):
    lost = never("Vous êtes là ?")
    double.fault("list", "lag", ms=60_000)
    for hours in (0.1, 1, 2):
        poll_recent(hours=hours)
    double.clear_faults()
    poll_recent(hours=3)
    assert ConversationEvent.objects.count() == 1
    poll_backlog(hours=3)
    assert ConversationEvent.objects.filter(message_sid=lost.sid).exists()


# -- what became of ours --------------------------------------------------------------------------------------


@pytest.fixture
def sent(known, awa, double, sender):
    """Awa's word to Fatou, accepted by Twilio, whose statuses never come."""

    def sent(**fault):
        double.fault("status", "never")
        if fault:
            double.fault("create", "error", **fault)
        known.take_over(awa, at=timezone.now())
        double.wait_for(lambda: not MessageDelivery.objects.exclude(state="sent").exists())
        double.wait_until_idle()
        delivery = MessageDelivery.objects.get()
        assert delivery.state == "sent"
        return delivery

    return sent


def test_a_delivery_whose_hook_got_lost_is_caught_up_with(sent, double):
    delivery = sent()
    poll_recent()
    delivery.refresh_from_db()
    assert delivery.state == "delivered"
    assert delivery.delivered_at < timezone.now()
    double.client_reads(FATOU)
    poll_recent(minutes=2)
    delivery.refresh_from_db()
    assert (delivery.state, reading().statuses, reading().missing) == ("read", 2, 0)


def test_one_that_failed_says_why(sent):
    delivery = sent(code=63003)
    poll_recent()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_code) == ("failed", 63003)


def test_a_client_who_wrote_since_has_not_opted_out(sent, double, known):
    sent(code=63014)
    double.advance(60)
    double.client_writes(FATOU, "Me revoilà")
    poll_recent(minutes=3)
    assert MessageDelivery.objects.get().state == "failed"
    known.address.refresh_from_db()
    assert known.address.opted_out_at is None


def test_a_state_never_moves_backwards(sent, double):
    delivery = sent()
    delivery.advance("read", at=timezone.now())
    rev = Conversation.objects.get().rev
    poll_recent()
    delivery.refresh_from_db()
    assert (delivery.state, Conversation.objects.get().rev, reading().statuses) == ("read", rev, 0)


def test_days_later_what_was_read_is_still_found(sent, double):
    delivery = sent()
    double.advance(3600 * 50)
    double.client_reads(FATOU)
    double.wait_until_idle()
    poll_backlog(hours=51)
    delivery.refresh_from_db()
    assert delivery.state == "read"


def test_what_others_sent_by_our_number_is_counted_and_left_alone(known, double):
    double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body="Écrit depuis la console.")
    double.wait_until_idle()
    poll_recent(minutes=6)
    assert (reading().foreign, known.events.count()) == (1, 1)


def test_one_of_ours_that_is_undecided_is_not_taken_for_a_foreign_one(known, awa, double):
    known.take_over(awa, at=timezone.now())
    delivery = known.deliveries.get()
    delivery.claim(by="p", at=timezone.now())
    delivery.mark_uncertain(at=timezone.now(), error="?")
    double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body=delivery.event.body)
    double.wait_until_idle()
    poll_recent(minutes=6)
    assert (reading().foreign, event_types_of(known).count("message_sent")) == (0, 1)
    delivery.refresh_from_db()
    assert delivery.state == "uncertain"


# -- with the bot at Twilio ------------------------------------------------------------------------------------


@pytest.fixture
def studio(settings):
    def studio():
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, bot="studio", studio_flow_sid="FW" + "1" * 32)

    return studio


def test_what_studio_did_not_tell_us_of_is_expected_and_never_answered_by_us(known, never, studio):
    studio()
    lost = never("1")
    before = len(jobs(BOT))
    poll_recent()
    event = ConversationEvent.objects.get(message_sid=lost.sid)
    assert "recovered" not in event.metadata
    assert (len(jobs(BOT)), reading().missing, reading().overheard) == (before, 0, 1)
    assert event_types_of(known) == ["message_received", "message_received"]


def test_what_the_bot_at_twilio_said_is_appended_between_what_the_client_wrote(known, never, studio, double):
    studio()
    said = double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body="Que souhaitez-vous ?")
    double.wait_until_idle()
    double.advance(5)
    never("Un rendez-vous")
    poll_recent(minutes=3)
    assert [e.body for e in known.events.order_by("seq")] == [
        "Bonjour",
        "Que souhaitez-vous ?",
        "Un rendez-vous",
    ]
    assert known.deliveries.get().sid == said.sid
    poll_recent(minutes=4)
    record(said.sid, at=timezone.now())
    assert known.events.count() == 3


def test_what_the_bot_said_to_nobody_we_know_is_left_alone(known, studio, double):
    studio()
    double.sdk().messages.create(to=IBRAHIM, from_=OUR_NUMBER, body="Bonjour")
    double.wait_until_idle()
    for minutes in (3, 4):
        poll_recent(minutes=minutes)
    assert (reading().overheard, ConversationEvent.objects.count()) == (0, 1)


def test_while_one_of_ours_is_undecided_what_the_bot_said_waits(known, studio, double, awa):
    studio()
    known.take_over(awa, at=timezone.now())
    delivery = known.deliveries.get()
    delivery.claim(by="p", at=timezone.now() + timedelta(minutes=3))
    delivery.mark_uncertain(at=timezone.now() + timedelta(minutes=3), error="?")
    double.sdk().messages.create(to=FATOU, from_=OUR_NUMBER, body="Que souhaitez-vous ?")
    double.wait_until_idle()
    poll_recent(minutes=3)
    assert known.deliveries.count() == 1
    assert (reading().left, reading().completed_until < timezone.now()) == (0, True)
    poll_recent(minutes=6)
    assert known.deliveries.count() == 2


# -- when it cannot be read, and how it is doing ------------------------------------------------------------------


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setitem(schedule.MIN_PAGE_SIZES, Poll.RECENT, 3)
    monkeypatch.setitem(schedule.MIN_PAGE_SIZES, Poll.BACKLOG, 3)


def recovered_bodies():
    events = ConversationEvent.objects.filter(metadata__has_key="recovered").order_by("pk")
    return list(events.values_list("body", flat=True))


@pytest.mark.parametrize(("fault", "extra"), [("5xx", {}), ("429", {"retry_after": 3}), ("dropped", {})])
def test_a_page_that_fails_is_asked_for_again_after_a_pause(known, never, double, small_pages, fault, extra):
    for n in range(8):
        never(str(n))
    rule = double.fault("list", fault, times=2, match={"to": OUR_NUMBER, "page": "2"}, **extra)
    before, pauses = double.requests("list"), []
    poll_recent(sleep=pauses.append)
    assert rule.times == 0
    assert recovered_bodies() == [str(n) for n in range(8)]
    assert pauses == ([3, 3] if fault == "429" else [1, 2])
    assert double.requests("list") - before == 1 + 3 + 2, "no page is read anew but the one that failed"
    assert (reading().missing, reading().last_error) == (8, "")


def test_what_was_read_before_a_page_failed_for_good_is_taken_in_and_the_rest_later(
    known, never, double, small_pages
):
    poll_recent(seconds=0)
    open_since = reading().completed_until
    for n in range(8):
        never(str(n))
    double.fault("list", "5xx", match={"to": OUR_NUMBER, "page": "2"})
    poll_recent()
    assert recovered_bodies() == [str(n) for n in range(2, 8)]
    assert (reading().missing, reading().recovered) == (6, 6)
    assert (reading().completed_until, reading().last_error) == (open_since, schedule.TWILIO_NOT_RESPONDING)
    assert not reconciliation_status(at=timezone.now()).is_complete
    double.clear_faults()
    poll_recent(minutes=2)
    assert sorted(recovered_bodies()) == [str(n) for n in range(8)]
    assert reading().completed_until > open_since
    assert reconciliation_status(at=timezone.now()).is_complete


def test_a_list_of_what_was_sent_that_breaks_off_keeps_no_client_back(known, never, double, small_pages):
    """But nobody knows then whether someone else answered: a person decides, not the bot."""
    double.advance(10)
    never("Bonjour ?")
    double.advance(30)
    for n in range(4):
        double.sdk().messages.create(to=IBRAHIM, from_=OUR_NUMBER, body=f"console {n}")
    double.wait_until_idle()
    before = len(jobs(BOT))
    double.fault("list", "5xx", match={"from": OUR_NUMBER, "page": "1"})
    poll_recent(seconds=90)
    assert recovered_bodies() == ["Bonjour ?"]
    assert (len(jobs(BOT)), event_types_of(known)[-1]) == (before, "agent_transfer")


def test_what_is_younger_than_where_it_broke_off_is_answered_by_the_bot(known, never, double, small_pages):
    for n in range(4):
        said = double.sdk().messages.create(to=IBRAHIM, from_=OUR_NUMBER, body=f"console {n}")
        shift_into_the_past(double, double.double.messages.get(said.sid))
    double.wait_until_idle()
    never("Bonjour ?")
    before = len(jobs(BOT))
    double.fault("list", "5xx", match={"from": OUR_NUMBER, "page": "1"})
    poll_recent()
    assert len(jobs(BOT)) == before + 1


def test_where_twilio_wants_a_long_pause_nobody_waits_for_it(known, never, double):
    never("Bonjour ?")
    double.fault("list", "429", retry_after=60)
    pauses = []
    poll_recent(sleep=pauses.append)
    assert (pauses, reading().last_error) == ([], schedule.TWILIO_NOT_RESPONDING)


def test_while_it_waits_for_a_page_its_lease_is_kept(known, never, double):
    passed = [timedelta(seconds=60)]
    double.fault("list", "5xx", times=2)

    def sleep(seconds):
        passed[0] += timedelta(seconds=90)  # As long as a page that hangs takes.

    schedule.poll_recent(started_at=PROCESS_STARTED_AT, clock=lambda: timezone.now() + passed[0], sleep=sleep)
    assert (reading().last_error, reading().near_until) == ("", None)


def test_a_look_back_that_broke_off_is_not_forgotten_by_the_next_minute(known, never, double, small_pages):
    double.fault("list", "5xx", match={"page": "0"})
    poll_backlog()
    double.clear_faults()
    poll_recent(minutes=2)
    assert (reading().last_error, reading().back_error) == ("", schedule.TWILIO_NOT_RESPONDING)
    assert not reconciliation_status(at=timezone.now()).is_complete
    poll_backlog(hours=1)
    assert reconciliation_status(at=timezone.now()).is_complete


@pytest.mark.parametrize("fault", ["429", "5xx", "dropped"])
def test_a_log_that_cannot_be_read_does_no_harm_and_is_read_again(known, never, double, fault, caplog):
    poll_recent()
    well = reading().last_ok_at
    never("Vous êtes là ?")
    double.fault("list", fault)
    for minutes in (2, 3):
        poll_recent(minutes=minutes)
    assert (reading().last_ok_at, reading().last_error) == (well, schedule.TWILIO_NOT_RESPONDING)
    assert len([r for r in caplog.records if "reconciliation failed" in r.message]) == 1
    double.clear_faults()
    poll_recent(minutes=4)
    assert (reading().last_error, reading().recovered) == ("", 1)


def test_twilio_away_is_told_by_how_long_ago_it_was_last_well(known, double):
    poll_recent(seconds=0)
    with double.unreachable():
        poll_recent(seconds=1)
    at = timezone.now()
    levels = [reconciliation_status(at=at + timedelta(minutes=n)).level for n in (1, 6, 16)]
    assert levels == ["good", "attention", "danger"]
    assert reconciliation_status(at=at).error == schedule.TWILIO_NOT_RESPONDING


def test_without_an_account_nothing_is_read_or_told(settings, db):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, twilio_account_sid="", whatsapp_number="")
    poll_recent()
    poll_backlog()
    assert reconciliation_status(at=timezone.now()) is None
    assert not LogReconciliation.objects.exists()


def test_one_process_reads_at_a_time(known, double):
    poll_recent()
    at = timezone.now()
    first = reading().acquire_lease(Poll.RECENT, at=at)
    assert first is not None
    assert reading().acquire_lease(Poll.RECENT, at=at) is None
    assert reading().acquire_lease(Poll.BACKLOG, at=at) is not None
    before = double.requests("list")
    poll_recent(seconds=1)
    assert double.requests("list") == before


def test_the_reading_of_a_dead_process_is_taken_over_and_it_notices(known):
    poll_recent()
    at = timezone.now()
    first = reading().acquire_lease(Poll.RECENT, at=at)
    second = reading().acquire_lease(Poll.RECENT, at=at + timedelta(minutes=3))
    assert second is not None
    assert reading().renew_lease(Poll.RECENT, first, at=at + timedelta(minutes=3)) is None
    assert reading().renew_lease(Poll.RECENT, second, at=at + timedelta(minutes=3)) is not None


def test_a_clock_set_back_locks_nobody_out(known):
    at = timezone.now()
    LogReconciliation.get_or_create_for(OUR_NUMBER, account="AC" + "0" * 32, since=at)
    assert reading().acquire_lease(Poll.RECENT, at=at + timedelta(days=1)) is not None
    assert reading().acquire_lease(Poll.RECENT, at=at) is not None


def test_a_second_double_of_another_account_is_not_mixed_in(known, never, settings):
    never("Vous êtes là ?")
    with running_double(sender=OUR_NUMBER) as other:
        settings.ENVIRONMENT = replace(
            settings.ENVIRONMENT,
            twilio_api_base_url=other.url,
            twilio_account_sid=other.settings.account_sid,
            twilio_auth_token=other.settings.auth_token,
        )
        client.twilio.cache_clear()
        poll_recent()
        assert reading().account == other.settings.account_sid
    assert ConversationEvent.objects.count() == 1
