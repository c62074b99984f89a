"""The live socket of a conversation: which frames it is sent, in which order, and that none is missing."""

import struct

import pytest
from django.db import connection

from relais.clients.models import ClientAddress
from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMessage
from relais.conversations.models import Conversation
from relais.live import endpoint, websocket_limits
from tests.cast import FATOU, OUR_NUMBER, new_sid
from tests.web_server import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_clients_message_is_sent_to_the_agents_page(web_server, awa, with_bot, fatou_writes):
    page = web_server.watch_conversation(with_bot, awa)
    assert page.next_frame() == {"kind": "caught-up", "rev": with_bot.rev}
    with_bot = fatou_writes("une autre question")
    event = with_bot.events.get(body="une autre question")
    frame = page.next_frame()
    html = frame.pop("html")
    assert frame == {
        "kind": "message",
        "id": event.pk,
        "conversation": with_bot.pk,
        "seq": event.seq,
        "rev": event.rev,
    }
    assert f'id="message-{event.pk}"' in html
    assert "une autre question" in html


def test_a_page_that_was_away_gets_everything_it_missed_in_order(
    web_server, awa, held_by_awa, fatou_writes, clock
):
    seen = held_by_awa.rev
    fatou_writes("un")
    delivery = held_by_awa.send_as_agent("deux", agent=awa, at=clock.now)
    delivery.claim(by="test", at=clock.passes(seconds=1))
    fatou_writes("trois")
    held_by_awa.refresh_from_db()

    *missed, last = web_server.watch_conversation(held_by_awa, awa, since=seen).frames_until("caught-up")
    assert last["rev"] == held_by_awa.rev
    assert [frame["rev"] for frame in missed] == sorted(frame["rev"] for frame in missed)
    assert all(frame["rev"] > seen for frame in missed)
    events = list(held_by_awa.events.filter(rev__gt=seen).values_list("pk", flat=True))
    assert [frame["id"] for frame in missed if frame["kind"] == "message"] == events
    assert {frame["id"] for frame in missed if frame["kind"] == "delivery"} >= {delivery.pk}


def test_from_the_start_events_and_messages_come_in_order(web_server, awa, held_by_awa):
    *frames, _ = web_server.watch_conversation(held_by_awa, awa, since=0).frames_until("caught-up")
    kinds = [(frame["kind"], frame["seq"]) for frame in frames if frame["kind"] != "delivery"]
    spoken = [("message" if e.is_message else "event", e.seq) for e in held_by_awa.events.order_by("seq")]
    assert kinds == spoken


def test_a_delivery_state_changes(web_server, awa, held_by_awa, clock):
    page = web_server.watch_conversation(held_by_awa, awa)
    page.wait_for("caught-up")
    delivery = held_by_awa.send_as_agent("bonjour", agent=awa, at=clock.now)
    assert page.wait_for("message", id=delivery.event_id)["rev"] == delivery.rev
    delivery.advance("delivered", at=clock.passes(seconds=2), sid=new_sid())
    frame = page.wait_for("delivery", rev=delivery.rev)
    assert (frame["id"], frame["seq"]) == (delivery.pk, delivery.event.seq)
    assert f'id="delivery-{delivery.pk}"' in frame["html"]


def test_a_downloaded_picture_sends_its_message_again(web_server, awa, with_bot, fatou_writes):
    from relais.conversations.inbound_messages import InboundMedia

    page = web_server.watch_conversation(with_bot, awa)
    page.wait_for("caught-up")
    with_bot = fatou_writes("", media=(InboundMedia("https://api.twilio.com/x", "image/jpeg"),))
    event = with_bot.events.latest("seq")
    first = page.wait_for("message", id=event.pk)
    event.media.get().record_download("stored", content_type="image/jpeg", size=3)
    with_bot.refresh_from_db()
    again = page.wait_for("message", id=event.pk)
    assert (first["rev"], again["rev"]) == (event.rev, with_bot.rev)
    *missed, _ = web_server.watch_conversation(with_bot, awa, since=event.rev).frames_until("caught-up")
    assert [(frame["kind"], frame["id"], frame["rev"]) for frame in missed] == [
        ("message", event.pk, with_bot.rev)
    ]


def test_each_viewer_gets_his_own_language(web_server, awa, koffi, held_by_awa, clock):
    type(koffi).objects.filter(pk=koffi.pk).update(language="en")
    awas, koffis = (
        web_server.watch_conversation(held_by_awa, awa),
        web_server.watch_conversation(held_by_awa, koffi),
    )
    awas.wait_for("caught-up"), koffis.wait_for("caught-up")
    held_by_awa.close(awa, at=clock.now)
    closed = held_by_awa.events.get(event_type="conversation_closed")
    french, english = awas.wait_for("event", id=closed.pk), koffis.wait_for("event", id=closed.pk)
    assert "clôtur" in french.pop("html")
    english.pop("html")
    assert french == english


def test_nothing_is_missed_when_the_listen_connection_is_cut(web_server, awa, with_bot, fatou_writes):
    page = web_server.watch_conversation(with_bot, awa)
    page.wait_for("caught-up")
    with connection.cursor() as cursor:
        cursor.execute("""
            select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name = 'relais listen' """)
        assert cursor.rowcount == 1
    written = [fatou_writes(f"message {n}").events.latest("seq").pk for n in range(5)]
    assert [page.wait_for("message")["id"] for _ in written] == written
    wait_until(lambda: web_server.live.is_listening)


@pytest.fixture
def frequent_polls(monkeypatch):
    monkeypatch.setattr(endpoint, "POLL_INTERVAL_SECONDS", 0.2)


def test_a_change_without_a_notification_is_found_by_polling(
    frequent_polls, web_server, awa, with_bot, fatou_writes
):
    page, lists = web_server.watch_conversation(with_bot, awa), web_server.open_socket(awa)
    page.wait_for("caught-up"), lists.wait_for("counts", bot=1)
    wait_until(lambda: web_server.live.lists.known_versions)
    with connection.cursor() as cursor:
        cursor.execute("alter table conversations disable trigger user")
    try:
        event = fatou_writes("personne ne l'a dit").events.latest("seq")
        assert page.wait_for("message")["id"] == event.pk
        assert lists.wait_for("row")["rev"] == event.rev
    finally:
        with connection.cursor() as cursor:
            cursor.execute("alter table conversations enable trigger user")


def test_a_page_that_does_not_read_is_disconnected_and_delays_nobody(
    web_server, awa, koffi, with_bot, monkeypatch
):
    monkeypatch.setattr(websocket_limits, "MAX_QUEUED_FRAMES", 20)
    with web_server.slow_socket(f"/live?conversation={with_bot.pk}", koffi) as slow:
        quick = web_server.watch_conversation(with_bot, awa)
        quick.wait_for("caught-up")
        channel = web_server.live.conversations.channels[with_bot.pk]
        wait_until(lambda: len(channel.sockets) == 2)
        for _ in range(400):
            message = InboundMessage(sid=new_sid(), address=FATOU, sender=OUR_NUMBER, body="𝔐" * 1600)
            event = ingest([message], at=with_bot.started_at)[message.sid].event_id
            assert quick.wait_for("message")["id"] == event
            if len(channel.sockets) == 1:
                break
        assert len(channel.sockets) == 1
        last = b""
        while not last.endswith(struct.pack("!BBH", 0x88, 2, 1013)):
            last = last[-4:] + (slow.recv(65536) or pytest.fail("it got no close code"))


def test_every_process_sends_the_same(web_server, second_web_server, awa, koffi, with_bot, fatou_writes):
    pages = [
        web_server.watch_conversation(with_bot, awa, since=0),
        second_web_server.watch_conversation(with_bot, koffi, since=0),
    ]
    fatou_writes("à tous")
    with_bot.refresh_from_db()
    last = with_bot.events.latest("seq").pk
    stories = [
        [f for f in page.frames_until("message", id=last) if f["kind"] != "caught-up"] for page in pages
    ]
    assert stories[0] == stories[1]


def test_polling_answers_the_same_frames(web_server, awa, held_by_awa):
    path = f"/live?conversation={held_by_awa.pk}"
    frames = web_server.open_socket(awa, f"{path}&since=0").frames_until("caught-up")
    response = web_server.get(f"{path}&since=0", awa)
    assert response.json() == frames
    assert response.headers["Cache-Control"] == "no-store"
    assert web_server.get(path, awa).json() == [{"kind": "caught-up", "rev": held_by_awa.rev}]


def test_a_change_that_cannot_be_rendered_does_not_stop_the_others(
    web_server, awa, with_bot, fatou_writes, monkeypatch
):
    from relais.conversations import live_source

    def render(event):
        if event.body == "cassé":
            raise ValueError(event.body)
        return f"<p>{event.body}</p>"

    monkeypatch.setitem(live_source.RENDERERS, "message", (live_source.RENDERERS["message"][0], render))
    page = web_server.watch_conversation(with_bot, awa)
    page.wait_for("caught-up")
    fatou_writes("cassé")
    fatou_writes("entier")
    assert page.next_frame()["html"] == "<p>entier</p>"


def test_what_a_client_writes_is_escaped(web_server, awa, with_bot, fatou_writes):
    page = web_server.watch_conversation(with_bot, awa)
    page.wait_for("caught-up")
    fatou_writes("<script>alert(1)</script>\x01")
    assert "<script>" not in page.wait_for("message")["html"]


def test_the_frames_of_one_conversation_do_not_reach_another(web_server, awa, with_bot, fatou_writes):
    other = fatou_writes("ailleurs", address="whatsapp:+2250700000002", name="Ibrahim")
    page = web_server.watch_conversation(with_bot, awa)
    page.wait_for("caught-up")
    fatou_writes("encore ailleurs", address="whatsapp:+2250700000002", name="Ibrahim")
    fatou_writes("ici")
    assert page.next_frame()["conversation"] == with_bot.pk != other.pk
    assert ClientAddress.objects.count() == Conversation.objects.count() == 2
