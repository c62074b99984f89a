"""Live updates under stress: long absences, slow and dead clients, bursts, and a database that stops answering."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
from django.conf import settings as configured
from django.db import connection
from twilio.request_validator import RequestValidator

from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMessage
from relais.live import conversation_subscriptions, endpoint, notify_listener, pool, websocket_limits
from relais.live.session_watch import SessionWatch
from tests.cast import FATOU, OUR_NUMBER, new_sid
from tests.web_server import WebServer, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
IBRAHIM = {"address": "whatsapp:+2250700000002", "name": "Ibrahim"}


def many_messages(conversation, number, text="message"):
    """Stored in one transaction. Returns the ids of their events, in order."""
    texts = [InboundMessage(new_sid(), FATOU, OUR_NUMBER, f"{text} {n}") for n in range(number)]
    ingest(texts, at=conversation.started_at)
    return list(conversation.events.order_by("-seq").values_list("pk", flat=True)[:number])[::-1]


def messages_until(page, last):
    return [frame["id"] for frame in page.frames_until("message", id=last) if frame["kind"] == "message"]


def switch_triggers(how):
    with connection.cursor() as cursor:
        cursor.execute(f"alter table conversations {how} trigger user")


@contextmanager
def suspended(application: str) -> Iterator[None]:
    """The backends of these connections accept queries and never response."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select pid from pg_stat_activity where datname = current_database() and application_name = %s",
            [application],
        )
        pids = [pid for (pid,) in cursor.fetchall()]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def small_queues(monkeypatch):
    monkeypatch.setattr(websocket_limits, "MAX_QUEUED_FRAMES", 20)
    monkeypatch.setattr(conversation_subscriptions, "MAX_BROADCAST_CHANGES", 10)
    monkeypatch.setattr(conversation_subscriptions, "CATCH_UP_BATCH_SIZE", 100)


def test_after_a_long_absence_every_change_comes_once_and_in_order(web_server, awa, with_bot):
    missed = many_messages(with_bot, 2_000)
    page = web_server.watch_conversation(with_bot, awa, since=with_bot.rev)
    frames = page.frames_until("caught-up")
    assert [frame["id"] for frame in frames[:-1]] == missed
    assert frames[-1]["rev"] == with_bot.rev + 2_000


def test_nothing_is_queued_for_a_socket_that_catches_up_and_others_do_not_wait(
    small_queues, web_server, awa, koffi, with_bot, fatou_writes
):
    missed = many_messages(with_bot, 400, "𝔐" * 1500)
    slow = web_server.watch_conversation(
        with_bot, koffi, since=with_bot.rev, sock=web_server.connect_with_small_buffer()
    )
    quick = web_server.watch_conversation(with_bot, awa)
    quick.wait_for("caught-up")
    for n in range(60):
        event = fatou_writes(f"encore {n}").events.latest("seq")
        assert quick.wait_for("message")["id"] == event.pk
        missed.append(event.pk)
    assert len(web_server.live.conversations.channels[with_bot.pk].live) == 1
    assert messages_until(slow, missed[-1]) == missed


def test_a_burst_is_read_by_each_socket_and_closes_none(small_queues, web_server, awa, koffi, with_bot):
    type(koffi).objects.filter(pk=koffi.pk).update(language="en")
    pages = [web_server.watch_conversation(with_bot, who) for who in (awa, koffi)]
    for page in pages:
        page.wait_for("caught-up")
    burst = many_messages(with_bot, 300)
    later = many_messages(with_bot, 3)
    for page in pages:
        assert messages_until(page, later[-1]) == burst + later


@pytest.fixture
def opened_sockets(monkeypatch):
    """All sockets that were opened, also those that were closed before the test looked."""
    opened, add = [], SessionWatch.add

    def add_and_record(self, socket):
        add(self, socket)
        opened.append(socket)

    monkeypatch.setattr(SessionWatch, "add", add_and_record)
    return opened


def test_a_client_that_reads_nothing_is_disconnected(
    web_server, koffi, with_bot, opened_sockets, monkeypatch
):
    monkeypatch.setattr(websocket_limits, "SEND_TIMEOUT_SECONDS", 0.2)
    many_messages(with_bot, 200)
    with web_server.slow_socket(f"/live?conversation={with_bot.pk}&since=0", koffi):
        wait_until(lambda: opened_sockets)
        wait_until(lambda: not web_server.live.session_watch.sockets)


def test_a_dead_client_is_noticed_by_pings(transactional_db, awa, opened_sockets):
    with (
        WebServer(ws_ping_interval=0.2, ws_ping_timeout=0.2) as web_server,
        web_server.slow_socket("/live", awa),
    ):
        wait_until(lambda: opened_sockets)
        wait_until(lambda: not web_server.live.session_watch.sockets)
        wait_until(lambda: not web_server.live.lists.pending)


# -- two processes ----------------------------------------------------------------------------------------


def twilio_calls(web_server, number):
    path = "/api/twilio/message"
    params = {"MessageSid": new_sid(), "From": FATOU, "To": OUR_NUMBER, "Body": f"message {number}"}
    token, public = configured.ENVIRONMENT.twilio_auth_token, configured.ENVIRONMENT.public_base_url
    signature = RequestValidator(token).compute_signature(public + path, params)
    response = requests.post(
        f"http://127.0.0.1:{web_server.port}{path}",
        data=params,
        headers={"X-Twilio-Signature": signature},
        timeout=30,
    )
    assert response.status_code == 200


def test_every_process_shows_the_messages_received_by_the_others(
    web_server, second_web_server, awa, koffi, with_bot
):
    both = (web_server, second_web_server)
    pages = [at.watch_conversation(with_bot, who) for at in both for who in (awa, koffi)]
    for page in pages:
        page.wait_for("caught-up")
    with ThreadPoolExecutor(6) as twilio:
        list(twilio.map(lambda n: twilio_calls(both[n % 2], n), range(60)))
    events = list(with_bot.events.filter(seq__gt=with_bot.seq).order_by("rev").values_list("pk", flat=True))
    assert len(events) == 60
    for page in pages:
        assert messages_until(page, events[-1]) == events


def unread_marks(page, conversation):
    """Whether the row is shown as unread, each time it is sent."""
    while True:
        yield 'data-unread="true"' in page.wait_for("row", conversation=conversation.pk)["html"]


def test_what_is_read_in_one_process_is_read_in_all(
    web_server, second_web_server, awa, held_by_awa, fatou_writes
):
    pages = [at.open_socket(awa) for at in (web_server, second_web_server)]
    for page in pages:
        page.wait_for("counts", mine=1)
    unread = fatou_writes("une question")
    seen = [unread_marks(page, unread) for page in pages]
    assert [next(each) for each in seen] == [True, True]
    unread.mark_read_by(awa)
    assert [next(each) for each in seen] == [False, False]


# -- lost notifications and hanging queries -------------------------------------------------------------------------


@pytest.fixture
def short_timeouts(monkeypatch):
    monkeypatch.setattr(notify_listener, "KEEPALIVE_INTERVAL_SECONDS", 0.1)
    monkeypatch.setattr(notify_listener, "KEEPALIVE_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(notify_listener, "MAX_RECONNECT_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(pool, "CHECK_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(pool, "QUERY_TIMEOUT_SECONDS", 0.2)


def test_a_hanging_listen_connection_is_noticed(
    short_timeouts, web_server, awa, with_bot, fatou_writes, caplog
):
    page = web_server.watch_conversation(with_bot, awa)
    page.wait_for("caught-up")
    caplog.clear()
    with suspended("relais listen"):
        event = fatou_writes("qui l'entend ?").events.latest("seq")
        # It listens again before a busy machine lets this test see that it did not.
        wait_until(lambda: "LISTEN connection lost" in caplog.messages)
        wait_until(lambda: web_server.live.is_listening)
        assert page.wait_for("message")["id"] == event.pk


def test_hanging_queries_are_retried(short_timeouts, web_server, awa, with_bot, fatou_writes):
    page, lists = web_server.watch_conversation(with_bot, awa), web_server.open_socket(awa)
    page.wait_for("caught-up"), lists.wait_for("counts")
    with suspended("relais live"):
        event = fatou_writes("encore là ?").events.latest("seq")
        assert page.wait_for("message")["id"] == event.pk
        assert lists.wait_for("refresh")


@pytest.fixture
def frequent_polls(monkeypatch):
    monkeypatch.setattr(endpoint, "POLL_INTERVAL_SECONDS", 0.2)


def test_reading_without_a_notification_is_found_by_polling(
    frequent_polls, web_server, awa, held_by_awa, fatou_writes
):
    unread = fatou_writes("une question")
    page = web_server.open_socket(awa)
    page.wait_for("counts", unread_mine=1)
    wait_until(lambda: web_server.live.lists.known_versions)
    switch_triggers("disable")
    try:
        unread.mark_read_by(awa)
        assert next(unread_marks(page, unread)) is False
    finally:
        switch_triggers("enable")
