"""Limits of connections, with real sockets against a real server."""

import gc
import re
import resource
import socket
import threading
from contextlib import ExitStack, contextmanager

import pytest
import requests
import uvicorn
from django.db import connection
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from websockets.sync.client import connect

from relais.http_server import connection_limits
from relais.http_server.connection_limits import (
    ConnectionLimits,
    Phase,
    limits_for_this_process,
    uvicorn_protocols,
)
from relais.http_server.server import uvicorn_config
from relais.whatsapp.inbound.batch_connection import BatchConnection
from tests.web_server import wait_until

LIMITS = {"idle_seconds": 60, "header_seconds": 60, "body_seconds": 60, "linger_seconds": 60}
HOOK = b"POST /api/hook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
PAGE = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


class Server:
    """`resume`: what `/slow` waits for. `disconnects`: how many clients left before their body had arrived."""

    def __init__(self, **limits):
        self.resume, self.disconnects = threading.Event(), 0
        self.sockets = ExitStack()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        routes = [
            Route("/page", self.page, methods=["GET", "POST"]),
            Route("/slow", self.slow),
            Route("/refuses", self.refuses, methods=["POST"]),
            Route("/large", lambda request: PlainTextResponse("x" * 3_000_000)),
            Route("/api/hook", self.page, methods=["GET", "POST"]),
            WebSocketRoute("/live", self.live),
        ]
        options = uvicorn_protocols(ConnectionLimits(**LIMITS | limits))
        self.table = options["http"].keywords["table"]
        config = uvicorn.Config(Starlette(routes=routes), log_config=None, lifespan="off", **options)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})

    async def page(self, request: Request):
        try:
            body = await request.body()
        except ClientDisconnect:
            self.disconnects += 1
            raise
        return PlainTextResponse(f"{len(body)}")

    def slow(self, request):
        self.resume.wait(30)
        return PlainTextResponse("slow")

    refuses = staticmethod(lambda request: PlainTextResponse("no", 403))

    async def live(self, websocket):
        await websocket.accept()
        while True:
            await websocket.send_text(await websocket.receive_text())

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.server.started)
        return self

    def __exit__(self, *error):
        self.resume.set()
        self.sockets.close()
        self.server.should_exit = self.server.force_exit = True
        self.thread.join()

    def connect(self, sent=b""):
        client = self.sockets.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=30))
        if sent:
            client.sendall(sent)
        return client

    def wait_for_count(self, count):
        wait_until(lambda: self.table.count == count)


@pytest.fixture
def serve():
    with ExitStack() as servers:
        yield lambda **limits: servers.enter_context(Server(**limits))


def status_of(client):
    """The status code of one whole response; None if the connection is closed without one."""
    response = b""
    try:
        while b"\r\n\r\n" not in response or len(response) < response_length(response):
            part = client.recv(65_536)
            if not part:
                break
            response += part
    except ConnectionResetError:
        pass
    return int(response.split()[1]) if response else None


def response_length(response):
    """Bytes of headers and body; the server writes them separately."""
    headers, _, _ = response.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", headers)
    return len(headers) + 4 + (int(length[1]) if length else 0)


def is_closed(client):
    """Read until the server closes."""
    try:
        while client.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


def sample(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0


@contextmanager
def expect_count(name, **labels):
    before = sample(name, **labels)
    yield
    wait_until(lambda: sample(name, **labels) > before)


# -- bytes ------------------------------------------------------------------------------------------------


def test_usual_requests_are_answered_one_after_the_other(serve):
    client = serve().connect()
    for _ in range(3):
        client.sendall(HOOK)
        assert status_of(client) == 200


def test_one_endless_header_is_cut_off_after_a_few_bytes(serve):
    client = serve().connect(b"GET / HTTP/1.1\r\nX: ")
    sent = 0
    with expect_count("relais_requests_refused_total", reason="headers"):
        try:
            while sent < 100_000_000:
                sent += client.send(b"y" * 65_536)
        except OSError:
            pass
    assert sent < 20_000_000  # Buffers of the kernel; the server read far less.


@pytest.mark.parametrize(
    "headers",
    [b"X: y\r\n" * 101, b"X: " + b"y" * 40_000 + b"\r\n", b"".join(b"H%d: y\r\n" % n for n in range(9000))],
)
def test_too_many_or_too_large_headers_are_431(serve, headers):
    assert status_of(serve().connect(b"GET /page HTTP/1.1\r\n" + headers + b"\r\n")) == 431


def test_an_endless_url_is_431(serve):
    assert status_of(serve().connect(b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n")) == 431


def test_a_hundred_usual_headers_are_accepted(serve):
    headers = b"".join(b"H%d: y\r\n" % n for n in range(99))
    assert status_of(serve().connect(b"GET /page HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")) == 200


def test_invalid_http_is_400(serve):
    assert status_of(serve().connect(b"\x16\x03\x01 hello\r\n\r\n")) == 400


def test_endless_trailers_are_cut_off(serve):
    server = serve()
    client = server.connect(b"POST /page HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    with expect_count("relais_requests_refused_total", reason="headers"):
        client.sendall(b"".join(b"H%d: y\r\n" % n for n in range(500)))
        assert is_closed(client)


def test_pipelined_requests_do_not_pile_up(serve):
    server = serve()
    client = server.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + PAGE * 1000)
    assert is_closed(client)
    server.wait_for_count(0)


def test_an_endless_request_is_cut_off(serve):
    server = serve(max_request_bytes=100_000)
    client = server.connect(b"POST /page HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    with expect_count("relais_requests_refused_total", reason="size"):
        try:
            for _ in range(200_000):
                client.sendall(b"1\r\nx\r\n" * 100)
        except OSError:
            pass


# -- memory ------------------------------------------------------------------------------------------------


def start_of_body(path, length):
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path, length)


def test_large_bodies_share_a_budget_and_the_one_beyond_it_is_refused(serve):
    server = serve(small_body_bytes=1000, max_large_body_bytes=100_000)
    first = server.connect(start_of_body(b"/page", 100_000) + b"x" * 90_000)
    wait_until(lambda: server.table.large_body_bytes["others"] == 89_000)
    with expect_count("relais_requests_refused_total", reason="memory"):
        second = server.connect(start_of_body(b"/page", 50_000) + b"x" * 20_000)
        assert status_of(second) == 503
    wait_until(lambda: server.disconnects == 1)
    assert server.table.large_body_bytes["others"] == 89_000
    # Small bodies and those of hooks do not count.
    assert status_of(server.connect(start_of_body(b"/page", 1000) + b"x" * 1000)) == 200
    assert status_of(server.connect(start_of_body(b"/api/hook", 50_000) + b"x" * 50_000)) == 200
    first.sendall(b"x" * 10_000)
    assert status_of(first) == 200
    wait_until(lambda: set(server.table.large_body_bytes.values()) == {0})


def test_a_client_that_disconnects_releases_its_memory(serve):
    server = serve(small_body_bytes=0)
    with server.connect(start_of_body(b"/page", 100_000) + b"x" * 50_000):
        wait_until(lambda: server.table.large_body_bytes["others"] == 50_000)
    wait_until(lambda: server.table.large_body_bytes["others"] == 0)


# -- timeouts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "sent", "phase", "status"),
    [
        ({"idle_seconds": 0.1}, b"", "idle", None),
        ({"header_seconds": 0.1}, b"GET /page HTT", "headers", 408),
        ({"header_seconds": 0.1}, b"\r\n", "headers", 408),
        ({"body_seconds": 0.1}, start_of_body(b"/page", 10) + b"x", "body", 408),
    ],
)
def test_a_client_that_is_too_slow_is_closed(serve, limits, sent, phase, status):
    server = serve(**limits)
    with expect_count("relais_request_timeouts_total", phase=phase):
        client = server.connect(sent)
        assert status_of(client) == status
    server.wait_for_count(0)


def test_sending_a_byte_now_and_then_does_not_extend_the_timeout(serve):
    server = serve(header_seconds=0.5)
    client = server.connect(b"GET /page HTTP/1.1\r\n")
    stop = threading.Event()

    def send_slowly():
        try:
            while not stop.wait(0.05):
                client.sendall(b"X: y\r\n")
        except OSError:
            pass

    sender = threading.Thread(target=send_slowly)
    with expect_count("relais_request_timeouts_total", phase="headers"):
        sender.start()
    stop.set()
    sender.join()


def test_an_idle_connection_is_closed_after_its_answer(serve):
    server = serve(idle_seconds=0.1)
    client = server.connect(PAGE)
    assert status_of(client) == 200
    assert is_closed(client)


def test_no_timeout_runs_while_the_application_works(serve):
    server = serve(idle_seconds=0.1, header_seconds=0.1, body_seconds=0.1)
    slow = server.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    with expect_count("relais_request_timeouts_total", phase="idle"):
        server.connect()
    server.resume.set()
    assert status_of(slow) == 200


def test_the_body_of_an_answered_request_is_not_waited_for(serve):
    server = serve(linger_seconds=0.1)
    client = server.connect(start_of_body(b"/refuses", 100_000) + b"x")
    assert status_of(client) == 403
    assert is_closed(client)


def test_a_client_that_reads_nothing_of_the_response_is_closed(serve):
    server = serve(write_seconds=0.2)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        with expect_count("relais_request_timeouts_total", phase="write"):
            client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_count(0)


# -- eviction -------------------------------------------------------------------------------------------------


def test_many_idle_connections_refuse_nobody(serve):
    """Each new connection evicts the one that has been idle longest."""
    server = serve(max_connections=30, hook_reserve=10)
    idle = [server.connect() for _ in range(60)]
    assert status_of(server.connect(PAGE)) == 200
    assert status_of(server.connect(HOOK)) == 200
    assert server.table.count <= 21
    assert status_of(idle[0]) is None
    idle[-1].sendall(PAGE)
    assert status_of(idle[-1]) == 200


def test_half_sent_requests_refuse_nobody(serve):
    server = serve(max_connections=30, hook_reserve=10)
    for _ in range(60):
        server.connect(b"GET /page HTTP/1.1\r\nX: ")
    assert status_of(server.connect(PAGE)) == 200


def test_bodies_that_never_come_refuse_nobody(serve):
    server = serve(max_connections=30, hook_reserve=10, evictable_body_seconds=0)
    for _ in range(60):
        server.connect(start_of_body(b"/page", 10))
    assert status_of(server.connect(PAGE)) == 200


def test_the_last_places_are_reserved_for_hooks(serve):
    server = serve(max_connections=10, hook_reserve=4)
    slow = [server.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(6)]
    wait_until(lambda: len(server.table._phases[Phase.RESPONSE]) == 6)
    with expect_count("relais_requests_refused_total", reason="crowded"):
        assert status_of(server.connect(PAGE)) == 503
    assert status_of(server.connect(HOOK)) == 200
    server.resume.set()
    assert [status_of(client) for client in slow] == [200] * 6


def test_connections_beyond_the_maximum_are_refused(serve):
    server = serve(max_connections=4, hook_reserve=0)
    for _ in range(4):
        server.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: len(server.table._phases[Phase.RESPONSE]) == 4)
    with expect_count("relais_connections_refused_total", reason="total"):
        assert status_of(server.connect(PAGE)) is None


def test_one_address_may_have_so_many_connections(serve, monkeypatch):
    monkeypatch.setattr(connection_limits, "LOOPBACK_ADDRESSES", ())
    server = serve(max_per_address=5)
    idle = [server.connect() for _ in range(8)]
    assert status_of(server.connect(PAGE)) == 200
    server.wait_for_count(5)
    assert status_of(idle[0]) is None
    for _ in range(4):
        server.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    slow = server.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: len(server.table._phases[Phase.RESPONSE]) == 5)
    with expect_count("relais_connections_refused_total", reason="address"):
        assert status_of(server.connect(PAGE)) is None
    server.resume.set()
    assert status_of(slow) == 200


def test_websockets_do_not_count_towards_it_and_stay_open(serve, monkeypatch):
    monkeypatch.setattr(connection_limits, "LOOPBACK_ADDRESSES", ())
    server = serve(max_per_address=2, max_connections=40, hook_reserve=10, idle_seconds=0.1)
    with ExitStack() as pages:
        sockets = [
            pages.enter_context(connect(f"ws://127.0.0.1:{server.port}/live", compression=None))
            for _ in range(20)
        ]
        for _ in range(40):
            server.connect()
        assert status_of(server.connect(PAGE)) == 200
        for each in sockets:
            each.send("here")
            assert each.recv(timeout=30) == "here"
        assert len(server.table.websockets) == 20
    wait_until(lambda: not server.table.websockets)


def test_no_websocket_takes_a_place_of_a_hook(serve):
    server = serve(max_connections=6, hook_reserve=4)
    for _ in range(2):
        server.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: len(server.table._phases[Phase.RESPONSE]) == 2)
    answer = requests.get(
        f"http://127.0.0.1:{server.port}/live",
        headers={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        },
        timeout=30,
    )
    assert answer.status_code == 503


def test_the_web_server_runs_within_these_limits():
    limits = ConnectionLimits(max_connections=99)
    config = uvicorn_config(
        "relais.asgi:application",
        limits,
        websocket_ping_seconds=20,
        max_websocket_message_bytes=1_000,
        trust_local_proxy=False,
    )
    config.load()
    for made in (config.http_protocol_class, config.ws_protocol_class):
        assert made.keywords["table"].limits.max_connections == 99
    assert config.timeout_keep_alive > ConnectionLimits.idle_seconds


# -- descriptors ------------------------------------------------------------------------------------------


def test_the_descriptor_limit_is_raised_and_bounds_the_connections(monkeypatch):
    requested = []
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: requested.append(limits))
    for (soft, hard), most in {
        (1024, 524_288): 4096,
        (1024, 1024): 768,
        (256, 256): 64,
        (20_000, resource.RLIM_INFINITY): 4096,
    }.items():
        monkeypatch.setattr(resource, "getrlimit", lambda kind, both=(soft, hard): both)
        limits = limits_for_this_process()
        assert (limits.max_connections, limits.hook_reserve < most) == (most, True)
    assert requested == [(65_536, 524_288), (65_536, resource.RLIM_INFINITY)]


@pytest.mark.django_db(transaction=True)
def test_hooks_store_although_a_thousand_connections_are_open():
    """`select` fails for descriptors above 1,023, and a database connection may have one."""
    batch_connection = BatchConnection()
    connection.close()
    connection.close_pool()
    gc.collect()
    with ExitStack() as open_ones:
        # Later it might free a descriptor below, which the database connection would get.
        gc.disable()
        open_ones.callback(gc.enable)
        while open_ones.enter_context(socket.socket()).fileno() < 1100:
            pass
        batch_connection.acquire()
        assert connection.connection.fileno() > 1023
        batch_connection.acquire()
        assert batch_connection.is_reused()
        batch_connection.release()
    connection.close_pool()
