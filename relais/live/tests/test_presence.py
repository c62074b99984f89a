"""Who looks at a conversation: reported by pages over their sockets, shown to those within reach, gone within seconds."""

import json

import pytest
from websockets.exceptions import ConnectionClosed

from relais.conversations.models import Conversation
from relais.live import presence
from relais.live.presence import MAX_MESSAGES, SocketActivity
from tests.web_server import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def long_timeouts(monkeypatch):
    """These pages report once, however slow the machine is; those of the product repeat it."""
    monkeypatch.setattr(presence, "ACTIVITY_TIMEOUT_SECONDS", 120.0)
    monkeypatch.setattr(presence, "PROCESS_TIMEOUT_SECONDS", 120.0)


@pytest.fixture
def short_timeouts(long_timeouts, monkeypatch):
    monkeypatch.setattr(presence, "ACTIVITY_TIMEOUT_SECONDS", 2.0)
    monkeypatch.setattr(presence, "PROCESS_TIMEOUT_SECONDS", 2.5)
    monkeypatch.setattr(presence, "PROCESS_HEARTBEAT_SECONDS", 0.5)


def open_page(server, user, conversation):
    page = server.watch_conversation(conversation, user)
    page.wait_for("caught-up")
    return page


def report(page, activity="view"):
    page.connection.send(json.dumps({"activity": activity}))


def activities(frame):
    return {viewer["name"]: viewer["activities"] for viewer in frame["viewers"]}


def wait_for_viewers(page, expected):
    while activities(page.wait_for("presence")) != expected:
        pass


def test_colleagues_see_each_other_come_write_and_leave(web_server, awa, koffi, with_bot):
    awas, koffis = (open_page(web_server, user, with_bot) for user in (awa, koffi))
    report(awas)
    wait_for_viewers(koffis, {"Awa Diop": ["view"]})
    report(koffis)
    wait_for_viewers(awas, {"Awa Diop": ["view"], "Koffi Mensah": ["view"]})
    report(koffis, "note")
    wait_for_viewers(awas, {"Awa Diop": ["view"], "Koffi Mensah": ["note"]})
    koffis.connection.close()
    wait_for_viewers(awas, {"Awa Diop": ["view"]})


def test_the_frame_names_the_conversation_and_the_viewers(web_server, awa, koffi, with_bot):
    awas, koffis = (open_page(web_server, user, with_bot) for user in (awa, koffi))
    report(awas, "write")
    assert koffis.wait_for("presence") == {
        "kind": "presence",
        "conversation": with_bot.pk,
        "viewers": [{"id": awa.pk, "name": "Awa Diop", "activities": ["write"]}],
    }


def test_it_reaches_other_processes_and_ends_with_them(web_server, second_web_server, awa, koffi, with_bot):
    awas, koffis = open_page(web_server, awa, with_bot), open_page(second_web_server, koffi, with_bot)
    report(awas)
    wait_for_viewers(koffis, {"Awa Diop": ["view"]})
    awas.connection.close()
    wait_for_viewers(koffis, {})


def test_a_process_that_is_gone_is_forgotten(short_timeouts, web_server, awa, koffi, with_bot):
    from django.db import connection

    koffis = open_page(web_server, koffi, with_bot)
    payload = {"process": "gone", "conversation": with_bot.pk, "viewers": [[awa.pk, "Awa Diop", "view"]]}
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify('presence', %s)", [json.dumps(payload)])
    wait_for_viewers(koffis, {"Awa Diop": ["view"]})
    wait_for_viewers(koffis, {})


def test_a_page_that_reports_nothing_any_more_is_forgotten(short_timeouts, web_server, awa, koffi, with_bot):
    awas, koffis = (open_page(web_server, user, with_bot) for user in (awa, koffi))
    report(awas)
    wait_for_viewers(koffis, {"Awa Diop": ["view"]})
    wait_for_viewers(koffis, {})  # The socket is still open, as when the network is lost.
    report(awas)
    wait_for_viewers(koffis, {"Awa Diop": ["view"]})


def test_a_new_page_is_told_who_is_there(web_server, awa, koffi, with_bot):
    awas = open_page(web_server, awa, with_bot)
    report(awas, "write")
    wait_for_viewers(awas, {"Awa Diop": ["write"]})
    koffis = open_page(web_server, koffi, with_bot)
    report(koffis)
    assert activities(koffis.wait_for("presence")) == {"Awa Diop": ["write"]}


@pytest.mark.parametrize(
    "message",
    [
        "",
        "nonsense",
        "[]",
        "1",
        '{"activity": 1}',
        '{"activity": "UPPER"}',
        '{"activity": "<b>"}',
        '{"activity": "aaaaaaaaaaaaaaaaa"}',
        '{"other": "view"}',
        '{"activity": "view", "more": "' + "a" * 300 + '"}',
        "[" * 190,
        b"\xff\x00",
    ],
)
def test_a_malformed_message_is_ignored(web_server, awa, koffi, with_bot, message):
    awas, koffis = (open_page(web_server, user, with_bot) for user in (awa, koffi))
    awas.connection.send(message)
    report(awas)
    assert activities(koffis.wait_for("presence")) == {"Awa Diop": ["view"]}


def test_more_messages_than_allowed_are_ignored():
    activity = SocketActivity(conversation=1)
    accepted = [activity.count_message(100.0) for _ in range(MAX_MESSAGES + 5)]
    assert accepted == [True] * MAX_MESSAGES + [False] * 5
    assert activity.count_message(200.0)


def test_messages_of_a_list_socket_are_ignored(web_server, awa, koffi, with_bot):
    lists = web_server.open_socket(awa)
    lists.wait_for("counts")
    report(lists)
    with_bot.bump_rev()
    assert lists.wait_for("row")["conversation"] == with_bot.pk


def test_who_loses_reach_neither_sees_nor_is_seen(web_server, awa, mariam, sales, with_bot):
    awas, mariams = (open_page(web_server, user, with_bot) for user in (awa, mariam))
    report(awas), report(mariams)
    wait_for_viewers(mariams, {"Awa Diop": ["view"], "Mariam Traoré": ["view"]})
    Conversation.objects.update(team=sales)
    assert awas.close_code() == 4404
    wait_for_viewers(mariams, {"Mariam Traoré": ["view"]})


def viewers_told(lists, conversation):
    """What the next frame for lists tells about the conversation."""
    while True:
        for each in lists.wait_for("viewers")["conversations"]:
            if each["conversation"] == conversation.pk:
                return [viewer["name"] for viewer in each["viewers"]]


def test_lists_are_told_who_comes_and_goes_but_not_who_types(web_server, awa, koffi, with_bot):
    lists, awas = web_server.open_socket(koffi), open_page(web_server, awa, with_bot)
    report(awas)
    assert viewers_told(lists, with_bot) == ["Awa Diop"]
    report(awas, "write")
    report(awas, "note")
    koffis = open_page(web_server, koffi, with_bot)
    report(koffis)
    assert viewers_told(lists, with_bot) == ["Awa Diop", "Koffi Mensah"]
    koffis.connection.close()
    awas.connection.close()
    while viewers_told(lists, with_bot):
        pass


def test_a_new_list_is_told_who_looks_now(web_server, awa, koffi, with_bot):
    awas = open_page(web_server, awa, with_bot)
    report(awas)
    assert viewers_told(web_server.open_socket(awa), with_bot) == ["Awa Diop"]
    frame = web_server.open_socket(koffi).wait_for("viewers")
    assert frame["all"]
    assert [each["conversation"] for each in frame["conversations"]] == [with_bot.pk]


def test_lists_out_of_reach_are_told_nothing(web_server, yao, mariam, sales, with_bot):
    Conversation.objects.update(team=sales)
    yaos, mariams = web_server.open_socket(yao), web_server.open_socket(mariam)
    assert yaos.wait_for("viewers")["conversations"] == []
    page = open_page(web_server, mariam, with_bot)
    report(page)
    assert viewers_told(mariams, with_bot) == ["Mariam Traoré"]
    report(page, "")
    assert viewers_told(mariams, with_bot) == []
    web_server.close_all_sockets(1012)
    with pytest.raises(ConnectionClosed):
        yaos.wait_for("viewers")


def test_nothing_is_kept_of_pages_that_are_closed(web_server, awa, with_bot):
    page = open_page(web_server, awa, with_bot)
    report(page)
    wait_for_viewers(page, {"Awa Diop": ["view"]})
    page.connection.close()
    live = web_server.live.presence
    wait_until(lambda: not live.activities and not live.notified)
    wait_until(lambda: not any(process.viewers for process in live.processes.values()))
