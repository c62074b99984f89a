"""The bridge to Django: which request gets a thread, what happens under overload, and what reaches WSGI."""

import re
import socket
import threading

import pytest
import requests
from django.conf import settings

from relais.http_server.bulkheads import BULKHEADS
from relais.http_server.django_bridge import DjangoBridge
from relais.http_server.request_body import MAX_FORM_BYTES, MAX_UPLOAD_BYTES
from relais.web.overloaded_response import RETRY_SECONDS, overloaded_response
from relais.web.too_large import too_large_response
from tests.web_server import WebServer, session_cookie, wait_until

SESSION = {settings.SESSION_COOKIE_NAME: "abc123"}


def bridge_to(django):
    return DjangoBridge(
        django, overloaded_response=overloaded_response, too_large_response=too_large_response
    )


class BlockedDjango:
    """A Django that responses no request before `resume` is set."""

    def __init__(self):
        self.started, self.resume = [], threading.Event()

    def __call__(self, environ, start_response):
        self.started.append(environ["PATH_INFO"])
        self.resume.wait(30)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"served"]


@pytest.fixture
def django():
    django = BlockedDjango()
    yield django
    django.resume.set()


@pytest.fixture
def web_server(transactional_db, django, monkeypatch):
    bounds = {name: {"threads": 1, "max_waiting": 1} for name in BULKHEADS}
    monkeypatch.setattr("relais.http_server.django_bridge.BULKHEADS", bounds)
    with WebServer() as web_server:
        web_server.application.router.default = web_server.bridge = bridge_to(django)
        yield web_server
        django.resume.set()


@pytest.fixture
def real_web_server(transactional_db):
    with WebServer() as web_server:
        yield web_server


def send_request(web_server, path="/dashboard", method="GET", cookies=SESSION, **options):
    url = f"http://127.0.0.1:{web_server.port}{path}"
    return requests.request(method, url, timeout=30, cookies=cookies, **options)


@pytest.fixture
def full_queue(web_server, django):
    """One request runs, another waits: the queue is full."""
    responses = []
    threads = [threading.Thread(target=lambda: responses.append(send_request(web_server))) for _ in range(2)]
    bulkhead = web_server.bridge.pools["pages"].bulkhead
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda number=number: (bulkhead.free, bulkhead.waiting) == (0, number))
    yield responses
    django.resume.set()
    for thread in threads:
        thread.join()


def test_an_overloaded_page_reloads_by_itself(web_server, full_queue):
    response = send_request(web_server)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) in RETRY_SECONDS
    [seconds] = re.findall(r'<meta http-equiv="refresh" content="(\d+)">', response.text)
    assert seconds == response.headers["Retry-After"]
    assert "La page se recharge" in response.text
    assert (
        "script-src" not in response.text
        and "default-src 'self'" in response.headers["Content-Security-Policy"]
    )
    assert " style=" not in response.text and "<style" not in response.text
    assert response.headers["Cache-Control"] == "no-store"


def test_it_is_in_the_language_chosen_in_the_browser(web_server, full_queue):
    response = send_request(web_server, cookies=SESSION | {settings.LANGUAGE_COOKIE_NAME: "en"})
    assert response.headers["Content-Language"] == "en"
    assert "reloads by itself" in response.text


def test_a_program_gets_json(web_server, full_queue):
    response = send_request(
        web_server,
        "/dashboard/chat/1/send",
        "POST",
        data={"message": "x"},
        headers={"Accept": "application/json"},
    )
    assert (response.status_code, response.json()["success"], response.json()["code"]) == (
        503,
        False,
        "overloaded",
    )


def test_an_overloaded_form_keeps_its_fields_and_can_be_resubmitted(web_server, full_queue):
    response = send_request(
        web_server, "/dashboard/settings?a=1", "POST", data={"text": 'é "<b>', "empty": "", "csrf": "t"}
    )
    assert response.status_code == 503
    assert "http-equiv" not in response.text
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', response.text)
    assert fields == [("text", "é &quot;&lt;b&gt;"), ("empty", ""), ("csrf", "t")]
    assert '<form method="post" class' in response.text  # To where it was sent.


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/dashboard/flows/import", {"files": {"file": b"{}"}}),
        ("/dashboard/settings", {"data": {"text": "x" * 70_000}}),
        ("/dashboard/settings", {"data": {f"f{n}": "" for n in range(101)}}),
    ],
)
def test_fields_too_large_for_a_page_are_not_kept(web_server, full_queue, path, sent):
    response = send_request(web_server, path, "POST", **sent)
    assert (response.status_code, "<input" in response.text) == (503, False)
    assert '<a href="">' in response.text


def test_sign_ins_visitors_pictures_and_pages_have_separate_threads(web_server, full_queue, django):
    others = [
        ("/accounts/login/", "POST", {}),
        ("/accounts/login/", "GET", {}),
        ("/dashboard/media/1", "GET", SESSION),
    ]
    threads = [threading.Thread(target=send_request, args=(web_server, *other)) for other in others]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(django.started) == 4)
    django.resume.set()
    for thread in threads:
        thread.join()


def test_a_password_is_never_written_into_a_page(web_server, django):
    form = {"login": "awa@relais.test", "password": "un bon mot de passe"}
    threads = [
        threading.Thread(
            target=send_request, args=(web_server, "/accounts/login/", "POST", {}), kwargs={"data": form}
        )
        for _ in range(2)
    ]
    bulkhead = web_server.bridge.pools["sign_in"].bulkhead
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda number=number: (bulkhead.free, bulkhead.waiting) == (0, number))
    response = send_request(web_server, "/accounts/login/", "POST", {}, data=form)
    assert (response.status_code, "mot de passe" in response.text) == (503, False)
    django.resume.set()
    for thread in threads:
        thread.join()


def test_a_request_whose_client_disconnects_while_it_waits_is_not_served(web_server, django):
    bulkhead = web_server.bridge.pools["pages"].bulkhead
    first = threading.Thread(target=send_request, args=(web_server,))
    first.start()
    wait_until(lambda: django.started)
    with web_server.connect_with_small_buffer() as connection:
        connection.sendall(
            f"GET /left HTTP/1.1\r\nHost: x\r\nCookie: {settings.SESSION_COOKIE_NAME}=a\r\n\r\n".encode()
        )
        wait_until(lambda: bulkhead.waiting == 1)
    wait_until(lambda: bulkhead.waiting == 0)
    django.resume.set()
    first.join()
    assert django.started == ["/dashboard"]


def test_a_thread_is_released_before_a_slow_client_has_read_the_page(web_server, django):
    """The page is larger than all buffers on the way, and nobody reads it."""

    def large(environ, start_response):
        start_response("200 OK", [])
        return (b"x" * 4096 for _ in range(200))

    web_server.application.router.default = bridge = bridge_to(large)
    with web_server.connect_with_small_buffer() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1)
        wait_until(lambda: bridge.pools["anonymous"].bulkhead.free == 1)


def test_a_page_that_fails_releases_its_thread(web_server, django):
    def broken(environ, start_response):
        raise RuntimeError("broken")

    web_server.application.router.default = bridge = bridge_to(broken)
    assert [send_request(web_server).status_code for _ in range(3)] == [500] * 3
    assert bridge.pools["pages"].bulkhead.free == 1


def test_hooks_have_database_connections_that_no_page_can_take():
    pool = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    hook_connections = 2 + 4 + 2 + 1  # The batchers, Studio's hooks, the send API, and the look-up of tokens.
    assert sum(bounds["threads"] for bounds in BULKHEADS.values()) + hook_connections <= pool


def test_a_signed_in_user_gets_the_page(transactional_db, awa):
    with WebServer() as web_server:
        response = send_request(web_server, cookies={settings.SESSION_COOKIE_NAME: session_cookie(awa)})
        assert response.status_code == 200


def test_a_form_that_is_too_large_is_refused_before_it_reaches_django(real_web_server):
    assert (
        send_request(
            real_web_server, "/accounts/login/", "POST", {}, data=b"x" * (MAX_FORM_BYTES + 1)
        ).status_code
        == 413
    )


@pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
def test_the_refusal_of_a_large_body_is_a_sentence(real_web_server, is_chunked):
    content = b"x" * (MAX_FORM_BYTES + 1)
    body = iter([content]) if is_chunked else content
    page = send_request(real_web_server, "/accounts/login/", "POST", {}, data=body)
    assert "dépasse 2" in page.text
    assert page.headers["Content-Security-Policy"]
    answer = send_request(
        real_web_server, "/accounts/login/", "POST", {}, data=content, headers={"Accept": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_declared_size_is_refused_before_the_body_arrives(real_web_server):
    head = "POST /dashboard/profile HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", real_web_server.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(100)


def test_a_form_with_files_may_be_larger(web_server, django):
    django.resume.set()
    files = {"photo": b"x" * (MAX_FORM_BYTES + 1)}
    assert send_request(web_server, method="POST", files=files).status_code == 200
    files = {"photo": b"x" * MAX_UPLOAD_BYTES}
    assert send_request(web_server, method="POST", files=files).status_code == 413


def test_an_unknown_path_is_answered_by_django(real_web_server):
    response = send_request(real_web_server, "/nowhere")
    assert (response.status_code, "Traceback" in response.text) == (404, False)


def test_a_header_with_an_underscore_cannot_pass_for_another(web_server):
    environ_seen = {}

    def record(environ, start_response):
        environ_seen.update(environ)
        start_response("204 No Content", [])
        return []

    web_server.application.router.default = bridge_to(record)
    send_request(web_server, "/x?q=%C3%A9", headers={"X_Forwarded_For": "1.2.3.4", "X-Real": "yes"})
    assert "HTTP_X_FORWARDED_FOR" not in environ_seen
    assert (environ_seen["HTTP_X_REAL"], environ_seen["QUERY_STRING"], environ_seen["PATH_INFO"]) == (
        "yes",
        "q=%C3%A9",
        "/x",
    )
