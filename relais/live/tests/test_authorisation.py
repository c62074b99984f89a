"""Who may open a socket, and when it is closed: it lives only as long as the permission it was opened with."""

import pytest
from django.conf import settings
from django.test import Client

from relais.accounts.models import User
from relais.conversations.events import BOT
from relais.conversations.models import Conversation
from tests.web_server import rejected_status, session_cookie

pytestmark = pytest.mark.django_db(transaction=True)
OWN_ORIGIN, FOREIGN_ORIGIN = {"Origin": "https://desk.example"}, {"Origin": "https://evil.example"}


@pytest.fixture
def of_sales(with_bot, sales):
    Conversation.objects.filter(pk=with_bot.pk).update(team=sales)
    return with_bot


@pytest.mark.parametrize("path", ["/live", "/live?conversation=1", "/live?conversation=no&since=never"])
@pytest.mark.parametrize("cookie", ["", "made-up", "\u00e9" * 50, '"' + r"\000" * 32 + '"'])
def test_without_a_session_the_socket_is_closed_as_signed_out(web_server, path, cookie):
    assert web_server.open_socket(path=path, cookie=cookie).close_code() == 4401
    response = web_server.get(path)
    assert (response.status_code, response.json()["code"]) == (401, "login")


def test_an_outsider_is_sent_nothing(web_server, yao, of_sales, fatou_writes):
    assert web_server.watch_conversation(of_sales, yao, since=0).close_code() == 4404
    response = web_server.get(f"/live?conversation={of_sales.pk}&since=0", yao)
    assert (response.status_code, response.json()["success"]) == (404, False)
    assert of_sales.address.client.name not in response.text


@pytest.mark.parametrize("conversation", ["0", "999999", "-1", "douze", "", "9" * 30, "१२"])
def test_an_invalid_conversation_is_out_of_reach_like_another_teams(web_server, awa, conversation):
    assert web_server.open_socket(awa, f"/live?conversation={conversation}").close_code() == 4404
    assert web_server.get(f"/live?conversation={conversation}", awa).status_code == 404


@pytest.mark.parametrize("since", ["-1", "hier", "1.5", "9" * 30])
def test_an_invalid_rev_is_rejected(web_server, awa, with_bot, since):
    path = f"/live?conversation={with_bot.pk}&since={since}"
    assert web_server.open_socket(awa, path).close_code() == 1008
    assert web_server.get(path, awa).status_code == 422


def test_nothing_is_newer_than_a_future_rev(web_server, awa, with_bot):
    assert web_server.watch_conversation(with_bot, awa, since=999).next_frame() == {
        "kind": "caught-up",
        "rev": with_bot.rev,
    }


def test_a_foreign_origin_is_rejected_at_the_handshake(web_server, awa):
    assert rejected_status(lambda: web_server.open_socket(awa, headers=FOREIGN_ORIGIN)) == 403
    assert rejected_status(lambda: web_server.open_socket(awa, headers={"Origin": "null"})) == 403
    assert rejected_status(lambda: web_server.open_socket(awa, headers={"Origin": "http://["})) == 403


def test_the_public_origin_and_that_of_the_request_are_accepted(web_server, awa):
    assert web_server.open_socket(awa, headers=OWN_ORIGIN).next_frame() == {"kind": "refresh"}
    assert web_server.open_socket(
        awa, headers={"Origin": f"http://127.0.0.1:{web_server.port}"}
    ).next_frame() == {"kind": "refresh"}


def test_only_live_accepts_sockets(web_server, awa):
    assert rejected_status(lambda: web_server.open_socket(awa, "/dashboard")) == 404


@pytest.mark.parametrize("path", ["/live", "/live?conversation={0.pk}"])
class TestSocketIsClosed:
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

    def test_when_the_user_signs_out(self, page):
        self.client.logout()
        assert page.close_code() == 4401

    def test_when_the_user_is_deactivated(self, page, awa, nadia, clock):
        awa.deactivate(by=nadia, at=clock.now)
        assert page.close_code() == 4401

    def test_when_the_password_changes(self, page, awa):
        awa.set_password("tout autre chose")
        awa.save()
        assert page.close_code() == 4401

    def test_when_the_user_is_deleted(self, page, awa):
        awa.delete()
        assert page.close_code() == 4401


def test_other_sessions_of_the_user_stay_open(web_server, awa, koffi, with_bot, fatou_writes):
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


def test_a_change_of_team_closes_the_conversations_of_the_old_one(web_server, awa, of_sales, sales, yao):
    User.objects.filter(pk=awa.pk).update(team=sales)
    chat, lists = web_server.watch_conversation(of_sales, awa), web_server.open_socket(awa)
    chat.wait_for("caught-up"), lists.wait_for("counts", bot=1)
    User.objects.filter(pk=awa.pk).update(team=yao.team)
    assert chat.close_code() == 4404
    assert lists.close_code() == 1012
    assert web_server.open_socket(awa).wait_for("counts")["bot"] == 0


def test_a_supervisor_who_becomes_an_agent_loses_other_teams(web_server, mariam, of_sales):
    chat = web_server.watch_conversation(of_sales, mariam)
    chat.wait_for("caught-up")
    User.objects.filter(pk=mariam.pk).update(role="agent")
    assert chat.close_code() == 4404


def test_another_role_makes_all_sockets_of_the_user_reconnect(
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


def test_a_conversation_moved_to_another_team_closes_the_sockets_of_the_old_one(
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


def test_demo_accounts_are_rejected_outside_a_demo(web_server, awa):
    cookie = session_cookie(awa)
    User.objects.filter(pk=awa.pk).update(is_demo=True)
    assert web_server.open_socket(cookie=cookie).close_code() == 4401


def test_a_shutdown_makes_clients_reconnect(web_server, awa, with_bot):
    pages = [web_server.open_socket(awa), web_server.watch_conversation(with_bot, awa)]
    for page in pages:
        page.next_frame()
    web_server.server.should_exit = True
    assert [page.close_code() for page in pages] == [1012, 1012]
