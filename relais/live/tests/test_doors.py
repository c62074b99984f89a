"""Who is let in to listen, and who must leave: every socket lives only as long as the right it was opened by."""

import pytest
from django.conf import settings
from django.test import Client

from relais.accounts.models import User
from relais.conversations.events import BOT
from relais.conversations.models import Conversation
from tests.web_server import rejected_status, session_cookie

pytestmark = pytest.mark.django_db(transaction=True)
HERE, ELSEWHERE = {"Origin": "https://desk.example"}, {"Origin": "https://evil.example"}


@pytest.fixture
def of_sales(with_bot, sales):
    Conversation.objects.filter(pk=with_bot.pk).update(team=sales)
    return with_bot


@pytest.mark.parametrize("path", ["/live", "/live?conversation=1", "/live?conversation=no&since=never"])
@pytest.mark.parametrize("cookie", ["", "made-up", "\u00e9" * 50, '"' + r"\000" * 32 + '"'])
def test_a_stranger_is_told_to_sign_in(web_server, path, cookie):
    assert web_server.open_socket(path=path, cookie=cookie).close_code() == 4401
    answer = web_server.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "login")


def test_the_outsider_hears_nothing(web_server, yao, of_sales, fatou_writes):
    assert web_server.watch_conversation(of_sales, yao, since=0).close_code() == 4404
    answer = web_server.get(f"/live?conversation={of_sales.pk}&since=0", yao)
    assert (answer.status_code, answer.json()["success"]) == (404, False)
    assert of_sales.address.client.name not in answer.text


@pytest.mark.parametrize("conversation", ["0", "999999", "-1", "douze", "", "9" * 30, "१२"])
def test_a_conversation_that_is_none_is_as_out_of_reach_as_another_teams(web_server, awa, conversation):
    assert web_server.open_socket(awa, f"/live?conversation={conversation}").close_code() == 4404
    assert web_server.get(f"/live?conversation={conversation}", awa).status_code == 404


@pytest.mark.parametrize("since", ["-1", "hier", "1.5", "9" * 30])
def test_a_rev_that_is_none_is_not_understood(web_server, awa, with_bot, since):
    path = f"/live?conversation={with_bot.pk}&since={since}"
    assert web_server.open_socket(awa, path).close_code() == 1008
    assert web_server.get(path, awa).status_code == 422


def test_a_rev_that_never_was_has_nothing_after_it(web_server, awa, with_bot):
    assert web_server.watch_conversation(with_bot, awa, since=999).next_frame() == {
        "kind": "caught-up",
        "rev": with_bot.rev,
    }


def test_a_page_of_another_site_is_refused_at_the_door(web_server, awa):
    assert rejected_status(lambda: web_server.open_socket(awa, headers=ELSEWHERE)) == 403
    assert rejected_status(lambda: web_server.open_socket(awa, headers={"Origin": "null"})) == 403
    assert rejected_status(lambda: web_server.open_socket(awa, headers={"Origin": "http://["})) == 403


def test_our_own_pages_are_let_in_under_their_public_name_and_the_one_they_were_asked_by(web_server, awa):
    assert web_server.open_socket(awa, headers=HERE).next_frame() == {"kind": "refresh"}
    assert web_server.open_socket(
        awa, headers={"Origin": f"http://127.0.0.1:{web_server.port}"}
    ).next_frame() == {"kind": "refresh"}


def test_no_socket_leads_anywhere_but_to_live(web_server, awa):
    assert rejected_status(lambda: web_server.open_socket(awa, "/dashboard")) == 404


@pytest.mark.parametrize("path", ["/live", "/live?conversation={0.pk}"])
class TestWhoMustLeave:
    @pytest.fixture
    def page(self, web_server, awa, of_sales, sales, path):
        User.objects.filter(pk=awa.pk).update(team=sales)
        self.client = Client()
        self.client.force_login(awa, backend=settings.AUTHENTICATION_BACKENDS[0])
        page = web_server.open_socket(
            path=path.format(of_sales), cookie=self.client.cookies[settings.SESSION_COOKIE_NAME].value
        )
        page.next_frame()
        return page

    def test_by_signing_out(self, page):
        self.client.logout()
        assert page.close_code() == 4401

    def test_when_deactivated(self, page, awa, nadia, clock):
        awa.deactivate(by=nadia, at=clock.now)
        assert page.close_code() == 4401

    def test_when_her_password_changes(self, page, awa):
        awa.set_password("tout autre chose")
        awa.save()
        assert page.close_code() == 4401

    def test_when_deleted(self, page, awa):
        awa.delete()
        assert page.close_code() == 4401


def test_the_other_sessions_of_someone_who_signs_out_stay(web_server, awa, koffi, with_bot, fatou_writes):
    leaving, staying, other = Client(), session_cookie(awa), session_cookie(koffi)
    leaving.force_login(awa, backend=settings.AUTHENTICATION_BACKENDS[0])
    path = f"/live?conversation={with_bot.pk}"
    left = web_server.open_socket(path=path, cookie=leaving.cookies[settings.SESSION_COOKIE_NAME].value)
    stayed = [web_server.open_socket(path=path, cookie=cookie) for cookie in (staying, other)]
    for page in (left, *stayed):
        page.wait_for("caught-up")
    leaving.logout()
    assert left.close_code() == 4401
    fatou_writes("toujours là")
    assert [page.next_frame()["kind"] for page in stayed] == ["message", "message"]


def test_who_changes_team_leaves_the_conversations_of_the_old_one(web_server, awa, of_sales, sales, yao):
    User.objects.filter(pk=awa.pk).update(team=sales)
    thread, lists = web_server.watch_conversation(of_sales, awa), web_server.open_socket(awa)
    thread.wait_for("caught-up"), lists.wait_for("counts", bot=1)
    User.objects.filter(pk=awa.pk).update(team=yao.team)
    assert thread.close_code() == 4404
    assert lists.close_code() == 1012
    assert web_server.open_socket(awa).wait_for("counts")["bot"] == 0


def test_a_supervisor_no_more_sees_only_his_teams(web_server, mariam, of_sales):
    thread = web_server.watch_conversation(of_sales, mariam)
    thread.wait_for("caught-up")
    User.objects.filter(pk=mariam.pk).update(role="agent")
    assert thread.close_code() == 4404


def test_another_role_closes_the_sockets_of_who_may_go_on_looking(
    web_server, mariam, koffi, with_bot, fatou_writes
):
    pages = [web_server.watch_conversation(with_bot, mariam), web_server.open_socket(mariam)]
    stays = web_server.watch_conversation(with_bot, koffi)
    for page in (*pages, stays):
        page.next_frame()
    User.objects.filter(pk=mariam.pk).update(role="admin")
    assert [page.close_code() for page in pages] == [1012, 1012]
    User.objects.filter(pk=koffi.pk).update(language="en", full_name="K. Mensah")
    fatou_writes("toujours là")
    assert stays.wait_for("message")["seq"] > 0


def test_a_conversation_that_goes_to_another_team_takes_its_watchers_sockets_with_it(
    web_server, awa, mariam, with_bot, sales
):
    agents, supervisors = (
        web_server.watch_conversation(with_bot, awa),
        web_server.watch_conversation(with_bot, mariam),
    )
    agents.wait_for("caught-up"), supervisors.wait_for("caught-up")
    Conversation.objects.filter(pk=with_bot.pk).update(team=sales, rev=with_bot.rev + 1)
    assert agents.close_code() == 4404
    with_bot.refresh_from_db()
    with_bot.ask_for_agent(by=BOT, at=with_bot.started_at)
    assert supervisors.next_frame()["kind"] == "event"


def test_a_demo_account_is_nobody_outside_a_demo(web_server, awa):
    cookie = session_cookie(awa)
    User.objects.filter(pk=awa.pk).update(is_demo=True)
    assert web_server.open_socket(cookie=cookie).close_code() == 4401


def test_a_desk_that_stops_says_that_it_will_be_back(web_server, awa, with_bot):
    pages = [web_server.open_socket(awa), web_server.watch_conversation(with_bot, awa)]
    for page in pages:
        page.next_frame()
    web_server.server.should_exit = True
    assert [page.close_code() for page in pages] == [1012, 1012]
