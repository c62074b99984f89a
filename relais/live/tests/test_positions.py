"""A page names where its lists stand; its socket is told what changed since, once, and not to render it all again."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from relais.conversations.views import pages
from relais.live.change_log import MAX_ENTRIES, ChangeLog
from tests.web_server import wait_until

IBRAHIM = {"address": "whatsapp:+2250700000002", "name": "Ibrahim"}
POSITION = re.compile(r'data-position="([^"]*)"')


def rendered_from(web_server, user, path="/dashboard/active"):
    """A page, and the position it carries."""
    answer = web_server.get(path, user)
    assert answer.status_code == 200
    return answer.text, POSITION.search(answer.text)[1]


def first_frames(web_server, user, position):
    """All up to the counts, which come in the first round."""
    return web_server.open_socket(user, f"/live?position={position}").frames_until("counts")


def heard(web_server, number):
    wait_until(lambda: web_server.live.lists.log.number >= number)


@pytest.mark.django_db(transaction=True)
class TestAPage:
    def test_that_missed_nothing_is_not_rendered_again(self, web_server, awa, with_bot):
        heard(web_server, 1)
        _, position = rendered_from(web_server, awa)
        assert [frame["kind"] for frame in first_frames(web_server, awa, position)] == ["counts"]

    def test_without_a_position_asks_for_its_list(self, web_server, awa, with_bot):
        assert web_server.open_socket(awa).next_frame() == {"kind": "refresh"}

    @pytest.mark.parametrize(
        "position", ["", "x", "0123456789abcdef.0", "0123456789abcdef.99999999999999999999"]
    )
    def test_with_a_position_of_nobody_here_asks_for_its_list(self, web_server, awa, with_bot, position):
        assert web_server.open_socket(awa, f"/live?position={position}").next_frame() == {"kind": "refresh"}

    def test_is_told_what_was_committed_between_its_rows_and_its_socket(
        self, web_server, awa, with_bot, fatou_writes
    ):
        text, position = rendered_from(web_server, awa)
        new = fatou_writes("entre les deux", **IBRAHIM)
        assert f'id="row-{new.pk}"' not in text
        page = web_server.open_socket(awa, f"/live?position={position}")
        row = page.wait_for("row", conversation=new.pk)
        assert "entre les deux" in row["html"]

    def test_is_told_what_was_committed_while_it_was_rendered(
        self, web_server, awa, with_bot, fatou_writes, monkeypatch
    ):
        """The rows are read; then a client writes, and that is heard; then the page is written."""
        rows_of, came = pages.paginate, []

        def paginate(*args, **options):
            found = rows_of(*args, **options)
            came.append(fatou_writes("pendant le rendu", **IBRAHIM))
            log = web_server.live.lists.log
            wait_until(lambda: came[0].pk in {entry.thread for entry in log.entries})
            return found

        monkeypatch.setattr(pages, "paginate", paginate)
        text, position = rendered_from(web_server, awa)
        monkeypatch.undo()
        assert f'id="row-{came[0].pk}"' not in text
        assert (
            web_server.open_socket(awa, f"/live?position={position}").wait_for("row")["conversation"]
            == came[0].pk
        )

    def test_is_told_nothing_of_what_it_shows(self, web_server, awa, with_bot, fatou_writes):
        before = web_server.live.lists.log.number
        fatou_writes("avant la page", **IBRAHIM)
        heard(web_server, before + 1)
        text, position = rendered_from(web_server, awa)
        assert "avant la page" in text
        assert "row" not in {frame["kind"] for frame in first_frames(web_server, awa, position)}

    def test_that_missed_many_rows_asks_for_its_list_at_once(self, web_server, awa, with_bot, fatou_writes):
        _, position = rendered_from(web_server, awa)
        before = web_server.live.lists.log.number
        for n in range(5):
            fatou_writes("bonjour", address=f"whatsapp:+21260000100{n}", name=f"Client {n}")
        heard(web_server, before + 5)
        assert first_frames(web_server, awa, position)[0] == {"kind": "refresh"}

    def test_of_another_process_asks_for_its_list(self, web_server, second_web_server, awa, with_bot):
        _, position = rendered_from(web_server, awa)
        own = {id(each.live.lists.log): each for each in (web_server, second_web_server)}
        assert len({each.live.lists.log.process for each in own.values()}) == 2
        # Both run in this one process: the page carries the position of whoever began last.
        other = (
            web_server if position.startswith(second_web_server.live.lists.log.process) else second_web_server
        )
        assert other.open_socket(awa, f"/live?position={position}").next_frame() == {"kind": "refresh"}

    def test_asks_for_its_list_when_the_database_was_not_heard_meanwhile(self, web_server, awa, with_bot):
        _, position = rendered_from(web_server, awa)
        before = web_server.live.lists.log.complete_since
        with connection.cursor() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%' or query = 'select 1'"
            )
        wait_until(lambda: web_server.live.lists.log.complete_since > before)
        assert web_server.open_socket(awa, f"/live?position={position}").next_frame() == {"kind": "refresh"}

    def test_of_whom_reaches_others_now_asks_for_its_list(self, web_server, awa, sales, with_bot):
        _, position = rendered_from(web_server, awa)
        awa.team = sales
        awa.save()
        wait_until(lambda: awa.pk in web_server.live.lists.log.viewers)
        assert web_server.open_socket(awa, f"/live?position={position}").next_frame() == {"kind": "refresh"}

    def test_takes_away_what_left_its_reach_meanwhile(self, web_server, awa, sales, with_bot):
        text, position = rendered_from(web_server, awa)
        assert f'id="row-{with_bot.pk}"' in text
        type(with_bot).objects.filter(pk=with_bot.pk).update(team=sales, rev=with_bot.rev + 1)
        page = web_server.open_socket(awa, f"/live?position={position}")
        assert page.wait_for("row", conversation=with_bot.pk)["html"] == ""

    def test_beside_a_conversation_carries_it_too(self, web_server, awa, with_bot):
        _, position = rendered_from(web_server, awa, f"/dashboard/chat/{with_bot.pk}/aside")
        assert position.startswith(web_server.live.lists.log.process)


@pytest.mark.django_db(transaction=True)
class TestPolling:
    def test_is_told_the_rows_that_changed_and_where_it_stands_then(
        self, web_server, awa, with_bot, fatou_writes
    ):
        _, position = rendered_from(web_server, awa)
        before = web_server.live.lists.log.number
        new = fatou_writes("sans socket", **IBRAHIM)
        heard(web_server, before + 1)
        row, counts, stands = web_server.get(f"/live?position={position}", awa).json()
        assert (row["kind"], row["conversation"], counts["bot"]) == ("row", new.pk, 2)
        nothing = web_server.get(f"/live?position={stands['position']}", awa).json()
        assert [frame["kind"] for frame in nothing] == ["counts", "position"]

    def test_of_much_at_once_asks_for_its_list(self, web_server, awa, with_bot):
        _, position = rendered_from(web_server, awa)
        web_server.live.lists.log.forget()
        assert [frame["kind"] for frame in web_server.get(f"/live?position={position}", awa).json()] == [
            "refresh",
            "counts",
        ]


class TestTheLog:
    def test_knows_what_changed_since_each_of_its_positions(self):
        log = ChangeLog()
        positions = [log.position]
        for thread in (5, 6, 5):
            log.note([thread])
            positions.append(log.position)
        assert [set(log.since(position, user=1)) for position in positions] == [{5, 6}, {5, 6}, {5}, set()]

    def test_knows_where_threads_were_moved_from(self):
        log = ChangeLog()
        begin = log.position
        log.note([5], left=(None,))
        log.note([5], left=(7,))
        assert log.since(begin, user=1) == {5: {None, 7}}

    def test_does_not_pretend_to_know_what_it_let_go(self):
        log = ChangeLog()
        begin = log.position
        log.note([1])
        second = log.position
        log.note(range(2, MAX_ENTRIES + 2))
        assert log.since(begin, user=1) is None
        assert len(log.since(second, user=1)) == MAX_ENTRIES
        assert len(log.entries) == MAX_ENTRIES

    def test_knows_nothing_of_before_it_was_deaf(self):
        log = ChangeLog()
        begin = log.position
        log.forget()
        assert log.since(begin, user=1) is None
        assert log.since(log.position, user=1) == {}

    def test_knows_that_a_user_changed(self):
        log = ChangeLog()
        begin = log.position
        log.note_viewer(1)
        assert log.since(begin, user=1) is None
        assert log.since(begin, user=2) == {}
        assert log.since(log.position, user=1) == {}

    def test_does_not_know_the_future_or_another_process(self):
        log = ChangeLog()
        assert log.since(f"{log.process}.1", user=1) is None
        assert ChangeLog().since(log.position, user=1) is None
