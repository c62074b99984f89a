"""A page that shows lists: rows and counts, the last state of each, a few frames a second, and only within reach."""

import time

import pytest

from relais.accounts.models import User
from relais.conversations.models import Conversation
from relais.live.frames import REFRESH
from relais.live.list_subscriptions import (
    MOST_REFRESHES,
    MOST_ROWS,
    PACE,
    REFRESH_PACE,
    Line,
    who_may_ask_again,
)

IBRAHIM = {"address": "whatsapp:+2250700000002", "name": "Ibrahim"}


@pytest.mark.django_db(transaction=True)
class TestLists:
    def test_the_page_asks_for_its_list_and_is_told_the_counts(self, web_server, awa, held_by_awa):
        page = web_server.open_socket(awa)
        assert page.next_frame() == {"kind": "refresh"}
        assert page.next_frame() == {
            "kind": "counts",
            "active": 1,
            "bot": 0,
            "held": 1,
            "pending": 0,
            "mine": 1,
            "unread_mine": 0,
        }

    def test_a_row_follows_what_happens_and_the_counts_with_it(
        self, web_server, awa, koffi, with_bot, fatou_writes, clock
    ):
        page = web_server.open_socket(koffi)
        page.wait_for("counts", bot=1)
        with_bot.take_over(awa, at=clock.now)
        row = page.wait_for("row", conversation=with_bot.pk)
        assert f'id="row-{with_bot.pk}"' in row["html"]
        assert f'data-agent="{awa.pk}"' in row["html"]
        assert set(row) == {"kind", "conversation", "rev", "html"}
        assert page.wait_for("counts", held=1)["mine"] == 0
        fatou_writes("encore")
        assert "encore" in page.wait_for("row")["html"]

    def test_a_new_conversation_appears(self, web_server, awa, fatou_writes):
        page = web_server.open_socket(awa)
        page.wait_for("counts")
        new = fatou_writes("bonjour")
        assert page.wait_for("row")["conversation"] == new.pk
        assert page.wait_for("counts")["bot"] == 1

    def test_reading_takes_the_unread_mark_away(self, web_server, awa, held_by_awa, fatou_writes):
        unread = fatou_writes("une question")
        page = web_server.open_socket(awa)
        page.wait_for("counts", unread_mine=1)
        unread.mark_read_by(awa)
        page.wait_for("counts", unread_mine=0)

    def test_the_outsider_hears_nothing(self, web_server, yao, sales, with_bot, fatou_writes):
        Conversation.objects.filter(pk=with_bot.pk).update(team=sales)
        page = web_server.open_socket(yao)
        assert page.wait_for("counts")["bot"] == 0
        fatou_writes("pour les ventes seulement")
        seen = fatou_writes("pour tous", **IBRAHIM)
        frames = page.frames_until("counts", bot=1)
        assert {frame["conversation"] for frame in frames if frame["kind"] == "row"} == {seen.pk}

    def test_what_leaves_his_reach_is_taken_from_his_list(
        self, web_server, awa, yao, mariam, sales, with_bot
    ):
        awas, mariams = web_server.open_socket(awa), web_server.open_socket(mariam)
        awas.wait_for("counts", bot=1), mariams.wait_for("counts", bot=1)
        Conversation.objects.filter(pk=with_bot.pk).update(team=sales, rev=with_bot.rev + 1)
        gone = {"kind": "row", "conversation": with_bot.pk, "rev": with_bot.rev + 1, "html": ""}
        assert awas.wait_for("row") == gone
        assert awas.wait_for("counts")["bot"] == 0
        assert mariams.wait_for("row")["html"]
        yaos = web_server.open_socket(yao)
        assert yaos.wait_for("counts")["bot"] == 0
        Conversation.objects.filter(pk=with_bot.pk).update(team=yao.team, rev=with_bot.rev + 2)
        assert yaos.wait_for("row")["html"]
        assert mariams.wait_for("row", rev=with_bot.rev + 2)["html"]

    def test_a_flood_is_a_few_frames_and_a_new_list(self, web_server, awa, fatou_writes):
        page = web_server.open_socket(awa)
        page.wait_for("counts")
        began = time.monotonic()
        for n in range(30):
            fatou_writes("bonjour", address=f"whatsapp:+2126000010{n:02}", name=f"Client {n}")
        frames = []
        while not {"refresh", 30} <= {frame.get("bot", frame["kind"]) for frame in frames}:
            frames.append(page.next_frame())
        assert len(frames) <= 4 * (time.monotonic() - began) + 1

    def test_many_changes_in_one_statement_are_a_new_list(self, web_server, awa, fatou_writes):
        some = fatou_writes("bonjour")
        channel = {
            "address_id": some.address_id,
            "client_id": some.client_id,
            "status": "completed",
            "ended_at": some.started_at,
        }
        page = web_server.open_socket(awa)
        page.wait_for("counts", bot=1)
        Conversation.objects.bulk_create(
            [Conversation(sender=f"whatsapp:+1{n:09}", **channel) for n in range(500)]
        )
        assert page.wait_for("refresh")

    def test_without_a_socket_the_page_asks_again_and_is_told_the_counts(self, web_server, mariam, waiting):
        refresh, counts = web_server.get("/live", mariam).json()
        assert refresh == {"kind": "refresh"}
        assert (counts["kind"], counts["pending"], counts["active"]) == ("counts", 1, 0)

    def test_each_is_told_the_numbers_of_his_own_reach(
        self, web_server, awa, yao, mariam, sales, with_bot, fatou_writes
    ):
        fatou_writes("bonjour", **IBRAHIM)
        Conversation.objects.filter(pk=with_bot.pk).update(team=sales)
        User.objects.filter(pk=awa.pk).update(team=sales)
        assert [web_server.get("/live", who).json()[1]["bot"] for who in (awa, yao, mariam)] == [2, 1, 2]


class TestOneLine:
    """What is told to one socket, moment by moment."""

    @pytest.fixture
    def line(self):
        return Line(refreshed=0.0, told=0.0)

    def told(self, line, seconds, step=0.01):
        """The moments, and what was told then."""
        found = [(n * step, line.next(n * step)) for n in range(round(seconds / step))]
        return [(moment, what) for moment, what in found if what]

    def test_there_are_never_more_than_four_in_a_second(self, line):
        told = []
        for n in range(1000):
            line.note_row(n % 7, shown=True)
            line.counts = {"bot": n}
            if what := line.next(n * 0.01):
                told.append((n * 0.01, what))
        moments = [moment for moment, _ in told]
        assert all(fifth - first > 1 for first, fifth in zip(moments, moments[4:], strict=False))
        refreshed = [moment for moment, what in told if what == REFRESH]
        assert len(refreshed) == int(10 / REFRESH_PACE) - 1 or len(refreshed) == int(10 / REFRESH_PACE)
        assert sum(isinstance(what, tuple) for _, what in told) >= 10

    def test_a_few_rows_are_told_one_by_one_the_oldest_first(self, line):
        for thread in range(MOST_ROWS):
            line.note_row(thread, shown=True)
        assert [what for _, what in self.told(line, 2)] == [(thread, True) for thread in range(MOST_ROWS)]

    def test_the_last_state_of_a_row_wins(self, line):
        line.note_row(1, shown=True)
        line.note_row(1, shown=False)
        assert [what for _, what in self.told(line, 2)] == [(1, False)]

    def test_too_many_rows_become_a_new_list(self, line):
        for thread in range(MOST_ROWS + 3):
            line.note_row(thread, shown=True)
        told = [what for _, what in self.told(line, REFRESH_PACE + 1)]
        assert told[-1] == REFRESH
        assert not line.has_news

    def test_counts_and_rows_take_turns(self, line):
        line.counts = {"bot": 1}
        for thread in range(MOST_ROWS):
            line.note_row(thread, shown=True)
        told = [what for _, what in self.told(line, 4 * PACE)]
        assert [isinstance(what, tuple) for what in told] == [False, True, True]

    def test_of_many_stale_lists_those_ask_again_first_that_waited_longest(self):
        lines = [Line(refreshed=float(n), stale=True) for n in range(MOST_REFRESHES, 0, -1)]
        fresh, late = Line(refreshed=0.0), Line(refreshed=99.0, stale=True)
        first = who_may_ask_again([fresh, late, *lines])
        assert first == {id(line) for line in lines}

    def test_who_may_not_ask_again_yet_is_told_rows_meanwhile(self, line):
        for thread in range(MOST_ROWS + 1):
            line.note_row(thread, shown=True)
        assert line.next(REFRESH_PACE, may_refresh=False) == (MOST_ROWS, True)
        assert line.next(2 * REFRESH_PACE) == REFRESH
