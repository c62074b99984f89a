"""A page carries the position of its lists; its socket is sent only what changed since, instead of a refresh."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from relais.conversations.views import lists
from relais.live.change_log import MAX_ENTRIES, ChangeLog
from tests.web_server import wait_until

IBRAHIM = {"address": "whatsapp:+2250700000002", "name": "Ibrahim"}
POSITION = re.compile(r'data-position="([^"]*)"')


def open_page(web_server, user, path="/dashboard/active"):
    """A page, and the position it carries."""
    response = web_server.get(path, user)
    assert response.status_code == 200
    return response.text, POSITION.search(response.text)[1]


def first_frames(web_server, user, position):
    """All frames up to the counts, which are sent in the first round."""
    return web_server.open_socket(user, f"/live?position={position}").frames_until("counts")


def wait_for_notifications(web_server, number):
    wait_until(lambda: web_server.live.lists.change_log.number >= number)


@pytest.mark.django_db(transaction=True)
class TestPage:
    def test_that_missed_nothing_gets_no_refresh(self, web_server, awa, with_bot):
        wait_for_notifications(web_server, 1)
        _, position = open_page(web_server, awa)
        assert [frame["kind"] for frame in first_frames(web_server, awa, position)] == ["counts"]

    def test_without_a_position_gets_a_refresh(self, web_server, awa, with_bot):
        assert web_server.open_socket(awa).next_frame() == {"kind": "refresh"}

    @pytest.mark.parametrize(
        "position", ["", "x", "0123456789abcdef.0", "0123456789abcdef.99999999999999999999"]
    )
    def test_with_an_unknown_position_gets_a_refresh(self, web_server, awa, with_bot, position):
        assert web_server.open_socket(awa, f"/live?position={position}").next_frame() == {"kind": "refresh"}

    def test_gets_what_was_committed_between_its_rows_and_its_socket(
        self, web_server, awa, with_bot, fatou_writes
    ):
        text, position = open_page(web_server, awa)
        new = fatou_writes("entre les deux", **IBRAHIM)
        assert f'id="row-{new.pk}"' not in text
        page = web_server.open_socket(awa, f"/live?position={position}")
        row = page.wait_for("row", conversation=new.pk)
        assert "entre les deux" in row["html"]

    def test_gets_what_was_committed_while_it_was_rendered(
        self, web_server, awa, with_bot, fatou_writes, monkeypatch
    ):
        """The rows are read, then a client writes and the notification arrives, then the page is rendered."""
        original_paginate, written = lists.paginate, []

        def paginate(*args, **options):
            page = original_paginate(*args, **options)
            written.append(fatou_writes("pendant le rendu", **IBRAHIM))
            log = web_server.live.lists.change_log
            wait_until(lambda: written[0].pk in {entry.conversation for entry in log.entries})
            return page

        monkeypatch.setattr(lists, "paginate", paginate)
        text, position = open_page(web_server, awa)
        monkeypatch.undo()
        assert f'id="row-{written[0].pk}"' not in text
        assert (
            web_server.open_socket(awa, f"/live?position={position}").wait_for("row")["conversation"]
            == written[0].pk
        )

    def test_gets_nothing_of_what_it_shows(self, web_server, awa, with_bot, fatou_writes):
        before = web_server.live.lists.change_log.number
        fatou_writes("avant la page", **IBRAHIM)
        wait_for_notifications(web_server, before + 1)
        text, position = open_page(web_server, awa)
        assert "avant la page" in text
        assert "row" not in {frame["kind"] for frame in first_frames(web_server, awa, position)}

    def test_that_missed_many_rows_gets_a_refresh_at_once(self, web_server, awa, with_bot, fatou_writes):
        _, position = open_page(web_server, awa)
        before = web_server.live.lists.change_log.number
        for n in range(5):
            fatou_writes("bonjour", address=f"whatsapp:+21260000100{n}", name=f"Client {n}")
        wait_for_notifications(web_server, before + 5)
        assert first_frames(web_server, awa, position)[0] == {"kind": "refresh"}

    def test_of_another_process_gets_a_refresh(self, web_server, second_web_server, awa, with_bot):
        _, position = open_page(web_server, awa)
        own = {id(each.live.lists.change_log): each for each in (web_server, second_web_server)}
        assert len({each.live.lists.change_log.process for each in own.values()}) == 2
        # Both run in this one process: the page carries the position of the one that started last.
        other = (
            web_server
            if position.startswith(second_web_server.live.lists.change_log.process)
            else second_web_server
        )
        assert other.open_socket(awa, f"/live?position={position}").next_frame() == {"kind": "refresh"}

    def test_gets_a_refresh_when_the_listener_was_disconnected_meanwhile(self, web_server, awa, with_bot):
        _, position = open_page(web_server, awa)
        before = web_server.live.lists.change_log.complete_since
        with connection.cursor() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'relais listen'"
            )
        wait_until(lambda: web_server.live.lists.change_log.complete_since > before)
        assert web_server.open_socket(awa, f"/live?position={position}").next_frame() == {"kind": "refresh"}

    def test_of_a_user_whose_reach_changed_gets_a_refresh(self, web_server, awa, sales, with_bot):
        _, position = open_page(web_server, awa)
        awa.team = sales
        awa.save()
        wait_until(lambda: awa.pk in web_server.live.lists.change_log.viewer_changes)
        assert web_server.open_socket(awa, f"/live?position={position}").next_frame() == {"kind": "refresh"}

    def test_removes_the_row_that_left_its_reach_meanwhile(self, web_server, awa, sales, with_bot):
        text, position = open_page(web_server, awa)
        assert f'id="row-{with_bot.pk}"' in text
        type(with_bot).objects.filter(pk=with_bot.pk).update(team=sales, rev=with_bot.rev + 1)
        page = web_server.open_socket(awa, f"/live?position={position}")
        assert page.wait_for("row", conversation=with_bot.pk)["html"] == ""

    def test_beside_a_conversation_carries_it_too(self, web_server, awa, with_bot):
        _, position = open_page(web_server, awa, f"/dashboard/chat/{with_bot.pk}/aside")
        assert position.startswith(web_server.live.lists.change_log.process)


@pytest.mark.django_db(transaction=True)
class TestPolling:
    def test_gets_the_changed_rows_and_the_next_position(self, web_server, awa, with_bot, fatou_writes):
        _, position = open_page(web_server, awa)
        before = web_server.live.lists.change_log.number
        new = fatou_writes("sans socket", **IBRAHIM)
        wait_for_notifications(web_server, before + 1)
        row, counts, next_position = web_server.get(f"/live?position={position}", awa).json()
        assert (row["kind"], row["conversation"], counts["bot"]) == ("row", new.pk, 2)
        unchanged = web_server.get(f"/live?position={next_position['position']}", awa).json()
        assert [frame["kind"] for frame in unchanged] == ["counts", "position"]

    def test_after_invalidation_gets_a_refresh(self, web_server, awa, with_bot):
        _, position = open_page(web_server, awa)
        web_server.live.lists.change_log.invalidate()
        assert [frame["kind"] for frame in web_server.get(f"/live?position={position}", awa).json()] == [
            "refresh",
            "counts",
        ]


class TestChangeLog:
    def test_knows_what_changed_since_each_of_its_positions(self):
        log = ChangeLog()
        positions = [log.position]
        for conversation in (5, 6, 5):
            log.record([conversation])
            positions.append(log.position)
        assert [set(log.changes_since(position, user=1)) for position in positions] == [
            {5, 6},
            {5, 6},
            {5},
            set(),
        ]

    def test_knows_the_scopes_before_each_move(self):
        log = ChangeLog()
        begin = log.position
        log.record([5], previous_scopes=(None,))
        log.record([5], previous_scopes=(7,))
        assert log.changes_since(begin, user=1) == {5: {None, 7}}

    def test_knows_nothing_of_positions_it_has_discarded(self):
        log = ChangeLog()
        begin = log.position
        log.record([1])
        second = log.position
        log.record(range(2, MAX_ENTRIES + 2))
        assert log.changes_since(begin, user=1) is None
        assert len(log.changes_since(second, user=1)) == MAX_ENTRIES
        assert len(log.entries) == MAX_ENTRIES

    def test_knows_nothing_before_its_invalidation(self):
        log = ChangeLog()
        begin = log.position
        log.invalidate()
        assert log.changes_since(begin, user=1) is None
        assert log.changes_since(log.position, user=1) == {}

    def test_knows_that_a_user_changed(self):
        log = ChangeLog()
        begin = log.position
        log.record_viewer(1)
        assert log.changes_since(begin, user=1) is None
        assert log.changes_since(begin, user=2) == {}
        assert log.changes_since(log.position, user=1) == {}

    def test_does_not_know_the_future_or_another_process(self):
        log = ChangeLog()
        assert log.changes_since(f"{log.process}.1", user=1) is None
        assert ChangeLog().changes_since(log.position, user=1) is None
