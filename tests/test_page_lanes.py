"""Too many pages at once: what is refused and how, who waits for whom, and that hooks notice nothing."""

import asyncio
import re
import threading

import pytest
import requests
from django.conf import settings

from relais.page_lanes import ClientGone, Lane, Overloaded
from relais.shell import PAGE_LANES, Pages
from relais.web import overload
from tests.web_server import WebServer, session_cookie, wait_until

SESSION = {settings.SESSION_COOKIE_NAME: "abc123"}


# -- a lane -----------------------------------------------------------------------------------------------


async def never():
    await asyncio.Event().wait()


def lane(**bounds):
    return Lane("test", **{"threads": 1, "max_waiting": 2} | bounds)


async def turns(*tasks):
    """Until everybody stands where he will stand."""
    for _ in range(5):
        await asyncio.sleep(0)


def run_story(story):
    return asyncio.run(story())


def test_threads_are_handed_on_in_order():
    async def story():
        one, order = lane(), []

        async def wants(name):
            await one.acquire("a", never)
            order.append(name)

        tasks = []
        for name in "abc":
            tasks.append(asyncio.create_task(wants(name)))
            await turns()
        assert (order, one.free, one.waiting) == (["a"], 0, 2)
        for _ in range(3):
            one.release()
            await turns()
        assert (order, one.free, one.waiting) == (["a", "b", "c"], 1, 0)

    run_story(story)


def test_a_full_queue_refuses_at_once():
    async def story():
        one = lane(max_waiting=1)
        await one.acquire("a", never)
        waits = asyncio.create_task(one.acquire("a", never))
        await turns()
        with pytest.raises(Overloaded):
            await one.acquire("a", never)
        one.release()
        await waits
        assert one.waiting == 0

    run_story(story)


def test_who_fills_the_queue_makes_room_for_another_address():
    async def story():
        one = lane(max_waiting=3)
        await one.acquire("greedy", never)
        greedy = [asyncio.create_task(one.acquire("greedy", never)) for _ in range(3)]
        await turns()
        modest = asyncio.create_task(one.acquire("modest", never))
        await turns()
        with pytest.raises(Overloaded):
            await greedy[2]
        assert (one.waiting, modest.done()) == (3, False)
        one.release()
        one.release()  # To each address in turn.
        await turns()
        assert (greedy[0].done(), greedy[1].done(), modest.done()) == (True, False, True)
        greedy[1].cancel()

    run_story(story)


def test_who_goes_away_is_not_served_and_leaves_no_gap():
    async def story():
        one, leaves = lane(), asyncio.Event()
        await one.acquire("a", never)
        goes = asyncio.create_task(one.acquire("a", leaves.wait))
        stays = asyncio.create_task(one.acquire("a", never))
        await turns()
        leaves.set()
        with pytest.raises(ClientGone):
            await goes
        one.release()
        await stays
        assert (one.free, one.waiting) == (0, 0)

    run_story(story)


def test_who_waits_too_long_is_refused():
    async def story():
        one = lane(max_wait_seconds=0.01)
        await one.acquire("a", never)
        with pytest.raises(Overloaded):
            await one.acquire("a", never)
        one.release()
        assert (one.free, one.waiting) == (1, 0)

    run_story(story)


def test_a_cancelled_request_gives_its_thread_on():
    async def story():
        one = lane()
        await one.acquire("a", never)
        cancelled = asyncio.create_task(one.acquire("a", never))
        await turns()
        one.release()
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        assert (one.free, one.waiting) == (1, 0)

    run_story(story)


# -- the pages of the web process ---------------------------------------------------------------------------------


class Held:
    """A Django that answers nothing before it is told to."""

    def __init__(self):
        self.begun, self.going_on = [], threading.Event()

    def __call__(self, environ, start_response):
        self.begun.append(environ["PATH_INFO"])
        self.going_on.wait(30)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"served"]


@pytest.fixture
def held():
    held = Held()
    yield held
    held.going_on.set()


@pytest.fixture
def web_server(transactional_db, held, monkeypatch):
    bounds = {name: {"threads": 1, "max_waiting": 1} for name in PAGE_LANES}
    monkeypatch.setattr("relais.shell.PAGE_LANES", bounds)
    with WebServer() as web_server:
        web_server.application.router.default = web_server.pages = Pages(held)
        yield web_server
        held.going_on.set()


def ask(web_server, path="/dashboard", method="GET", cookies=SESSION, **options):
    url = f"http://127.0.0.1:{web_server.port}{path}"
    return requests.request(method, url, timeout=30, cookies=cookies, **options)


@pytest.fixture
def crowd(web_server, held):
    """One page is being made, another waits: the lane is full."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask(web_server))) for _ in range(2)]
    lane = web_server.pages.lanes["pages"].lane
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda number=number: (lane.free, lane.waiting) == (0, number))
    yield answers
    held.going_on.set()
    for thread in threads:
        thread.join()


def test_a_page_too_many_tries_again_by_itself(web_server, crowd):
    answer = ask(web_server)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) in overload.RETRY_SECONDS
    [seconds] = re.findall(r'<meta http-equiv="refresh" content="(\d+)">', answer.text)
    assert seconds == answer.headers["Retry-After"]
    assert "La page se recharge" in answer.text
    assert (
        "script-src" not in answer.text and "default-src 'self'" in answer.headers["Content-Security-Policy"]
    )
    assert " style=" not in answer.text and "<style" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_speaks_the_language_chosen_in_the_browser(web_server, crowd):
    answer = ask(web_server, cookies=SESSION | {settings.LANGUAGE_COOKIE_NAME: "en"})
    assert answer.headers["Content-Language"] == "en"
    assert "reloads by itself" in answer.text


def test_a_program_is_told_in_json(web_server, crowd):
    answer = ask(
        web_server,
        "/dashboard/chat/1/send",
        "POST",
        data={"message": "x"},
        headers={"Accept": "application/json"},
    )
    assert (answer.status_code, answer.json()["success"], answer.json()["code"]) == (503, False, "overloaded")


def test_a_form_loses_nothing_and_is_sent_again_by_a_button(web_server, crowd):
    answer = ask(
        web_server, "/dashboard/settings?a=1", "POST", data={"text": 'é "<b>', "empty": "", "csrf": "t"}
    )
    assert answer.status_code == 503
    assert "http-equiv" not in answer.text
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', answer.text)
    assert fields == [("text", "é &quot;&lt;b&gt;"), ("empty", ""), ("csrf", "t")]
    assert '<form method="post" class' in answer.text  # To where it was sent.


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/dashboard/flows/import", {"files": {"file": b"{}"}}),
        ("/dashboard/settings", {"data": {"text": "x" * 70_000}}),
        ("/dashboard/settings", {"data": {f"f{n}": "" for n in range(101)}}),
    ],
)
def test_what_does_not_fit_into_a_page_is_not_kept_there(web_server, crowd, path, sent):
    answer = ask(web_server, path, "POST", **sent)
    assert (answer.status_code, "<input" in answer.text) == (503, False)
    assert '<a href="">' in answer.text


def test_sign_ins_visitors_pictures_and_pages_do_not_wait_for_one_another(web_server, crowd, held):
    others = [
        ("/accounts/login/", "POST", {}),
        ("/accounts/login/", "GET", {}),
        ("/dashboard/media/1", "GET", SESSION),
    ]
    threads = [threading.Thread(target=ask, args=(web_server, *other)) for other in others]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(held.begun) == 4)
    held.going_on.set()
    for thread in threads:
        thread.join()


def test_a_password_is_never_written_into_a_page(web_server, held):
    form = {"login": "awa@relais.test", "password": "un bon mot de passe"}
    threads = [
        threading.Thread(target=ask, args=(web_server, "/accounts/login/", "POST", {}), kwargs={"data": form})
        for _ in range(2)
    ]
    lane = web_server.pages.lanes["sign_in"].lane
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda number=number: (lane.free, lane.waiting) == (0, number))
    answer = ask(web_server, "/accounts/login/", "POST", {}, data=form)
    assert (answer.status_code, "mot de passe" in answer.text) == (503, False)
    held.going_on.set()
    for thread in threads:
        thread.join()


def test_who_closes_his_page_while_it_waits_is_not_served(web_server, held):
    lane = web_server.pages.lanes["pages"].lane
    first = threading.Thread(target=ask, args=(web_server,))
    first.start()
    wait_until(lambda: held.begun)
    with web_server.connect_with_small_buffer() as plain:
        plain.sendall(
            f"GET /left HTTP/1.1\r\nHost: x\r\nCookie: {settings.SESSION_COOKIE_NAME}=a\r\n\r\n".encode()
        )
        wait_until(lambda: lane.waiting == 1)
    wait_until(lambda: lane.waiting == 0)
    held.going_on.set()
    first.join()
    assert held.begun == ["/dashboard"]


def test_a_thread_is_free_before_a_slow_client_has_taken_the_page(web_server, held):
    """A page that is larger than all that lies between, and nobody reads it."""

    def large(environ, start_response):
        start_response("200 OK", [])
        return (b"x" * 4096 for _ in range(200))

    web_server.application.router.default = pages = Pages(large)
    with web_server.connect_with_small_buffer() as plain:
        plain.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert plain.recv(1)
        wait_until(lambda: pages.lanes["anonymous"].lane.free == 1)


def test_a_page_that_fails_gives_its_thread_back(web_server, held):
    def broken(environ, start_response):
        raise RuntimeError("broken")

    web_server.application.router.default = pages = Pages(broken)
    assert [ask(web_server).status_code for _ in range(3)] == [500] * 3
    assert pages.lanes["pages"].lane.free == 1


def test_hooks_have_connections_that_no_page_can_take():
    pool = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    for_hooks = 2 + 4 + 2 + 1  # What gathers, Studio's, programs', and whose tokens are looked up.
    assert sum(bounds["threads"] for bounds in PAGE_LANES.values()) + for_hooks <= pool


def test_a_signed_in_page_still_comes(transactional_db, awa):
    with WebServer() as web_server:
        answer = ask(web_server, cookies={settings.SESSION_COOKIE_NAME: session_cookie(awa)})
        assert answer.status_code == 200
