"""The tabs of the list of conversations, beside the chat and on their own page; the order of « Les miennes »."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from relais.conversations.events import BOT
from relais.conversations.models import Conversation
from relais.conversations.tests.test_pages import get_html, row_ids, signed_in_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def write(fatou_writes):
    """A client by number writes; each has a conversation of his own."""
    return lambda n, text="Bonjour": fatou_writes(
        text, address=f"whatsapp:+22507000{n:05}", name=f"Client {n}"
    )


@pytest.fixture
def own(write, awa, clock):
    """A conversation that Awa holds, with the client of that number."""

    def take(n):
        conversation = write(n)
        conversation.take_over(awa, at=clock.now)
        return conversation

    return take


def tab_ids(user, tab, path="/dashboard/active"):
    return row_ids(get_html(user, f"{path}?tab={tab}"))


class TestTabs:
    def test_list_what_they_say_on_the_page_and_beside_a_conversation(self, awa, koffi, write, own, clock):
        mine, with_bot, waiting, colleagues, ended = own(1), write(2), write(3), write(4), own(5)
        waiting.ask_for_agent(by=BOT, at=clock.now)
        colleagues.take_over(koffi, at=clock.now)
        ended.refresh_from_db()
        ended.close(awa, at=clock.now)
        for path in ("/dashboard/active", f"/dashboard/chat/{mine.pk}"):
            assert set(tab_ids(awa, "mine", path)) == {mine.pk}
            assert set(tab_ids(awa, "pending", path)) == {waiting.pk}
            assert set(tab_ids(awa, "bot", path)) == {with_bot.pk}
            assert set(tab_ids(awa, "all", path)) == {mine.pk, with_bot.pk, waiting.pk, colleagues.pk}
            assert set(tab_ids(awa, "held", path)) == {mine.pk, colleagues.pk}
            assert set(tab_ids(awa, "active", path)) == {mine.pk, with_bot.pk, colleagues.pk}

    def test_show_their_numbers(self, awa, write, own, clock):
        mine, _other, _with_bot = own(1), own(2), write(3)
        write(4).ask_for_agent(by=BOT, at=clock.now)
        write(1, "encore")
        expected = {"mine": "2", "pending": "1", "bot": "1", "open": "4", "unread_mine": "1"}
        for path in ("/dashboard/active", f"/dashboard/chat/{mine.pk}/aside"):
            html = get_html(awa, path)
            assert dict(re.findall(r'data-count="(\w+)">(\d+)<', html)) == expected

    def test_beside_a_conversation_the_first_one_lists_it(self, awa, koffi, write, own, clock):
        waiting, colleagues = write(2), write(3)
        waiting.ask_for_agent(by=BOT, at=clock.now)
        colleagues.take_over(koffi, at=clock.now)
        for conversation, tab in (
            (own(1), "mine"),
            (waiting, "pending"),
            (colleagues, "all"),
            (write(4), "bot"),
        ):
            html = get_html(awa, f"/dashboard/chat/{conversation.pk}")
            assert f'data-list="{tab}"' in html
            assert conversation.pk in row_ids(html)

    def test_the_one_chosen_last_stays_for_the_next_conversation(self, awa, own):
        client = signed_in_client(awa)
        conversation = own(1)
        client.get(f"/dashboard/chat/{conversation.pk}?tab=bot")
        assert 'data-list="bot"' in client.get(f"/dashboard/chat/{conversation.pk}").text
        client.get("/dashboard/pending")
        assert 'data-list="pending"' in client.get(f"/dashboard/chat/{conversation.pk}").text
        client.get(f"/dashboard/chat/{conversation.pk}?tab=nonsense")
        assert 'data-list="pending"' in client.get(f"/dashboard/chat/{conversation.pk}").text

    def test_need_as_few_queries_for_many_rows_as_for_few(self, awa, own):
        first = own(1)

        def count_queries():
            client = signed_in_client(awa)
            with CaptureQueriesContext(connection) as queries:
                client.get(f"/dashboard/chat/{first.pk}/aside?tab=mine")
            return len(queries)

        few = count_queries()
        for n in range(2, 30):
            own(n)
        assert count_queries() == few


class TestOrderOfOwn:
    def test_who_waits_for_an_answer_comes_first_the_longest_wait_first(self, awa, own, write, clock):
        a, b, c, d = own(1), own(2), own(3), own(4)
        for conversation in (a, b, c, d):
            conversation.send_as_agent("Bonjour", agent=awa, at=clock.passes(minutes=1))
        clock.passes(minutes=1)
        write(3, "une question")
        clock.passes(minutes=1)
        write(1, "une autre")
        clock.passes(minutes=1)
        write(3, "êtes-vous là ?")
        assert tab_ids(awa, "mine") == [c.pk, a.pk, d.pk, b.pk]
        c.send_as_agent("Oui", agent=awa, at=clock.passes(minutes=1))
        assert tab_ids(awa, "mine") == [a.pk, c.pk, d.pk, b.pk]

    def test_whom_the_bot_answered_waits_since_his_last_message(self, awa, write, clock):
        conversation = write(1)
        clock.passes(minutes=5)
        write(1, "un agent")
        asked_at = clock.now
        conversation.ask_for_agent(by=BOT, at=clock.passes(seconds=1))
        conversation.take_over(awa, at=clock.passes(minutes=1))
        conversation.refresh_from_db()
        assert conversation.unanswered_since == asked_at

    def test_undoing_the_answer_makes_the_client_wait_again(self, awa, own, write, clock):
        conversation = own(1)
        conversation.send_as_agent("Bonjour", agent=awa, at=clock.passes(minutes=1))
        wrote_at = clock.passes(minutes=1)
        write(1, "une question")
        clock.passes(minutes=1)
        write(1, "encore une")
        event = conversation.send_as_agent("Oui", agent=awa, at=clock.now, undo_seconds=5).event
        conversation.refresh_from_db()
        assert conversation.unanswered_since is None
        conversation.undo_send(event, agent=awa, at=clock.now)
        conversation.refresh_from_db()
        assert conversation.unanswered_since == wrote_at

    def test_by_time_when_the_user_prefers_it(self, awa, own, write, clock):
        a, b = own(1), own(2)
        a.send_as_agent("Bonjour", agent=awa, at=clock.passes(minutes=1))
        assert tab_ids(awa, "mine") == [b.pk, a.pk]
        client = signed_in_client(awa)
        response = client.post("/dashboard/list-order", {"order": "time"})
        assert (response.status_code, response["Location"]) == (302, "/dashboard/active?tab=mine")
        assert tab_ids(awa, "mine") == [a.pk, b.pk]
        assert row_ids(client.get("/dashboard").text.split('data-list="mine"')[1]) == [a.pk, b.pk]
        json = Client(headers={"accept": "application/json"})
        json.force_login(awa)
        assert json.post("/dashboard/list-order", {"order": "need"}).json() == {
            "success": True,
            "order": "need",
        }
        assert tab_ids(awa, "mine") == [b.pk, a.pk]

    def test_an_unknown_order_is_refused(self, awa):
        response = signed_in_client(awa).post("/dashboard/list-order", {"order": "alphabet"})
        assert (response.status_code, response.json()["code"]) == (422, "order")
        assert Client().post("/dashboard/list-order", {"order": "time"}).status_code == 302

    def test_redirects_to_own_pages_only(self, awa):
        client = signed_in_client(awa)
        own_page, foreign = "http://testserver/dashboard/active?tab=mine&after=1-2", "http://evil.example/"
        response = client.post("/dashboard/list-order", {"order": "time"}, headers={"referer": own_page})
        assert response["Location"] == own_page
        response = client.post("/dashboard/list-order", {"order": "time"}, headers={"referer": foreign})
        assert response["Location"] == "/dashboard/active?tab=mine"

    def test_pages_skip_and_repeat_nothing(self, awa, own, clock):
        conversations = [own(n) for n in range(75)]
        for n, conversation in enumerate(conversations):
            Conversation.objects.filter(pk=conversation.pk).update(
                last_activity_at=clock.passes(seconds=n % 2),
                unanswered_since=None if n % 3 else clock.now,
            )
        waits = sorted(
            (c for c in Conversation.objects.all() if c.unanswered_since),
            key=lambda c: (c.unanswered_since, c.pk),
        )
        others = sorted(
            (c for c in Conversation.objects.all() if not c.unanswered_since),
            key=lambda c: (-c.last_activity_at.timestamp(), c.pk),
        )
        expected = [c.pk for c in (*waits, *others)]
        base = f"/dashboard/chat/{conversations[0].pk}/aside?tab=mine"
        visited, cursor, first_cursors = [], "", []
        while True:
            html = get_html(awa, base + (f"&after={cursor}" if cursor else ""))
            visited += row_ids(html)
            first_cursors += re.findall(r'data-edge="before" data-cursor="([^"]+)"', html)
            following = re.findall(r'data-edge="after" data-cursor="([^"]+)"', html)
            if not following:
                break
            [cursor] = following
        assert visited == expected
        assert row_ids(get_html(awa, f"{base}&before={first_cursors[1]}")) == expected[30:60]
        assert row_ids(get_html(awa, f"{base}&from={first_cursors[0]}&rows=45")) == expected[30:75]
        assert len(row_ids(get_html(awa, f"{base}&rows=9999"))) == 75
