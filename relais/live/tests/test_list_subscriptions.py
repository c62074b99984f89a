"""The lists: rows and counts, the last state of each, a few frames a second, and only within the viewer's reach."""

import time

import pytest

from relais.accounts.models import User
from relais.conversations.models import Conversation
from relais.live.frames import REFRESH
from relais.live.list_subscriptions import (
    FRAME_INTERVAL_SECONDS,
    MAX_PENDING_ROWS,
    MAX_REFRESHES_PER_ROUND,
    REFRESH_INTERVAL_SECONDS,
    PendingUpdates,
    select_refreshes,
)

IBRAHIM = {"address": "whatsapp:+2250700000002", "name": "Ibrahim"}


@pytest.mark.django_db(transaction=True)
class TestLists:
    def test_a_new_socket_gets_refresh_and_counts(self, web_server, awa, held_by_awa):
        page = web_server.open_socket(awa)
        assert page.next_frame() == {"kind": "refresh"}
        assert page.next_frame() == {
            "kind": "counts",
            "active": 1,
            "bot": 0,
            "held": 1,
            "pending": 0,
            "mine": 1,
            "snoozed": 0,
            "unread_mine": 0,
            "mentions": 0,
        }

    def test_rows_and_counts_follow_each_event(self, web_server, awa, koffi, with_bot, fatou_writes, clock):
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

    def test_reading_removes_the_unread_mark(self, web_server, awa, held_by_awa, fatou_writes):
        unread = fatou_writes("une question")
        page = web_server.open_socket(awa)
        page.wait_for("counts", unread_mine=1)
        unread.mark_read_by(awa)
        page.wait_for("counts", unread_mine=0)

    def test_an_outsider_is_sent_nothing(self, web_server, yao, sales, with_bot, fatou_writes):
        Conversation.objects.filter(pk=with_bot.pk).update(team=sales)
        page = web_server.open_socket(yao)
        assert page.wait_for("counts")["bot"] == 0
        fatou_writes("pour les ventes seulement")
        seen = fatou_writes("pour tous", **IBRAHIM)
        frames = page.frames_until("counts", bot=1)
        assert {frame["conversation"] for frame in frames if frame["kind"] == "row"} == {seen.pk}

    def test_a_row_that_leaves_the_reach_is_removed_from_the_list(
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

    def test_many_changes_are_a_few_frames_and_a_refresh(self, web_server, awa, fatou_writes):
        page = web_server.open_socket(awa)
        page.wait_for("counts")
        began = time.monotonic()
        for n in range(30):
            fatou_writes("bonjour", address=f"whatsapp:+2126000010{n:02}", name=f"Client {n}")
        frames = []
        while not {"refresh", 30} <= {frame.get("bot", frame["kind"]) for frame in frames}:
            frames.append(page.next_frame())
        assert len(frames) <= 4 * (time.monotonic() - began) + 1

    def test_many_changes_in_one_statement_are_a_refresh(self, web_server, awa, fatou_writes):
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

    def test_polling_without_a_position_answers_refresh_and_counts(self, web_server, mariam, waiting):
        refresh, counts = web_server.get("/live", mariam).json()
        assert refresh == {"kind": "refresh"}
        assert (counts["kind"], counts["pending"], counts["active"]) == ("counts", 1, 0)

    def test_counts_are_those_of_the_viewers_own_reach(
        self, web_server, awa, yao, mariam, sales, with_bot, fatou_writes
    ):
        fatou_writes("bonjour", **IBRAHIM)
        Conversation.objects.filter(pk=with_bot.pk).update(team=sales)
        User.objects.filter(pk=awa.pk).update(team=sales)
        assert [web_server.get("/live", who).json()[1]["bot"] for who in (awa, yao, mariam)] == [2, 1, 2]


class TestPendingUpdates:
    """The frames of one socket over time."""

    @pytest.fixture
    def updates(self):
        return PendingUpdates(refreshed_at=0.0, sent_at=0.0)

    def sent_within(self, updates, seconds, step=0.01):
        """(time, frame or row) of all that is sent."""
        results = [(n * step, updates.pop_next(n * step)) for n in range(round(seconds / step))]
        return [(sent_at, update) for sent_at, update in results if update]

    def test_there_are_never_more_than_four_frames_a_second(self, updates):
        sent = []
        for n in range(1000):
            updates.add_row(n % 7, shown=True)
            updates.counts = {"bot": n}
            if update := updates.pop_next(n * 0.01):
                sent.append((n * 0.01, update))
        moments = [sent_at for sent_at, _ in sent]
        assert all(fifth - first > 1 for first, fifth in zip(moments, moments[4:], strict=False))
        refreshed = [sent_at for sent_at, update in sent if update == REFRESH]
        assert len(refreshed) == int(10 / REFRESH_INTERVAL_SECONDS) - 1 or len(refreshed) == int(
            10 / REFRESH_INTERVAL_SECONDS
        )
        assert sum(isinstance(update, tuple) for _, update in sent) >= 10

    def test_a_few_rows_are_sent_one_by_one_the_oldest_first(self, updates):
        for conversation in range(MAX_PENDING_ROWS):
            updates.add_row(conversation, shown=True)
        assert [update for _, update in self.sent_within(updates, 2)] == [
            (conversation, True) for conversation in range(MAX_PENDING_ROWS)
        ]

    def test_the_last_state_of_a_row_wins(self, updates):
        updates.add_row(1, shown=True)
        updates.add_row(1, shown=False)
        assert [update for _, update in self.sent_within(updates, 2)] == [(1, False)]

    def test_too_many_rows_become_a_refresh(self, updates):
        for conversation in range(MAX_PENDING_ROWS + 3):
            updates.add_row(conversation, shown=True)
        sent = [update for _, update in self.sent_within(updates, REFRESH_INTERVAL_SECONDS + 1)]
        assert sent[-1] == REFRESH
        assert not updates.is_pending

    def test_counts_and_rows_alternate(self, updates):
        updates.counts = {"bot": 1}
        for conversation in range(MAX_PENDING_ROWS):
            updates.add_row(conversation, shown=True)
        sent = [update for _, update in self.sent_within(updates, 4 * FRAME_INTERVAL_SECONDS)]
        assert [isinstance(update, tuple) for update in sent] == [False, True, True]

    def test_the_lists_that_waited_longest_refresh_first(self):
        candidates = [
            PendingUpdates(refreshed_at=float(n), needs_refresh=True)
            for n in range(MAX_REFRESHES_PER_ROUND, 0, -1)
        ]
        fresh, late = PendingUpdates(refreshed_at=0.0), PendingUpdates(refreshed_at=99.0, needs_refresh=True)
        first = select_refreshes([fresh, late, *candidates])
        assert first == {id(updates) for updates in candidates}

    def test_rows_are_sent_until_a_refresh_is_allowed(self, updates):
        for conversation in range(MAX_PENDING_ROWS + 1):
            updates.add_row(conversation, shown=True)
        assert updates.pop_next(REFRESH_INTERVAL_SECONDS, may_refresh=False) == (MAX_PENDING_ROWS, True)
        assert updates.pop_next(2 * REFRESH_INTERVAL_SECONDS) == REFRESH
