"""What one connection may take at the port, tried with real sockets against a real server."""

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

from relais import connections
from relais.connections import ConnectionLimits, limits_for_this_process, protocols
from relais.server import _config
from relais.whatsapp.inbound.batch_connection import DatabaseLine
from tests.web_server import wait_until

LIMITS = {"idle_seconds": 60, "header_seconds": 60, "body_seconds": 60, "linger_seconds": 60}
HOOK = b"POST /api/hook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
PAGE = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


class Server:
    """`going_on`: what `/slow` waits for. `left`: how many senders left before their body was there."""

    def __init__(self, **limits):
        self.going_on, self.left = threading.Event(), 0
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
        options = protocols(ConnectionLimits(**LIMITS | limits))
        self.table = options["http"].keywords["table"]
        config = uvicorn.Config(Starlette(routes=routes), log_config=None, lifespan="off", **options)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})

    async def page(self, request: Request):
        try:
            body = await request.body()
        except ClientDisconnect:
            self.left += 1
            raise
        return PlainTextResponse(f"{len(body)}")

    def slow(self, request):
        self.going_on.wait(30)
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
        self.going_on.set()
        self.sockets.close()
        self.server.should_exit = self.server.force_exit = True
        self.thread.join()

    def opens(self, sent=b""):
        plain = self.sockets.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=10))
        if sent:
            plain.sendall(sent)
        return plain

    def holds(self, count):
        wait_until(lambda: self.table.count == count)


@pytest.fixture
def serve():
    with ExitStack() as servers:
        yield lambda **limits: servers.enter_context(Server(**limits))


def status_of(plain):
    """The status code of one whole response; None when the connection ends without any."""
    response = b""
    try:
        while b"\r\n\r\n" not in response or len(response) < response_length(response):
            part = plain.recv(65_536)
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


def ends(plain):
    """Whether nothing more comes and the other side has closed."""
    try:
        while plain.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


def counted(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0


@contextmanager
def counts(name, **labels):
    before = counted(name, **labels)
    yield
    wait_until(lambda: counted(name, **labels) > before)


# -- bytes ------------------------------------------------------------------------------------------------


def test_usual_requests_are_answered_one_after_the_other(serve):
    plain = serve().opens()
    for _ in range(3):
        plain.sendall(HOOK)
        assert status_of(plain) == 200


def test_one_endless_header_is_cut_off_after_a_few_bytes(serve):
    plain = serve().opens(b"GET / HTTP/1.1\r\nX: ")
    sent = 0
    with counts("relais_requests_refused_total", reason="headers"):
        try:
            while sent < 100_000_000:
                sent += plain.send(b"y" * 65_536)
        except OSError:
            pass
    assert sent < 20_000_000  # What the system keeps between both; the server took far less.


@pytest.mark.parametrize(
    "headers",
    [b"X: y\r\n" * 101, b"X: " + b"y" * 40_000 + b"\r\n", b"".join(b"H%d: y\r\n" % n for n in range(9000))],
)
def test_too_many_or_too_large_headers_are_431(serve, headers):
    assert status_of(serve().opens(b"GET /page HTTP/1.1\r\n" + headers + b"\r\n")) == 431


def test_an_address_without_end_is_431(serve):
    assert status_of(serve().opens(b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n")) == 431


def test_a_hundred_usual_headers_are_taken(serve):
    headers = b"".join(b"H%d: y\r\n" % n for n in range(99))
    assert status_of(serve().opens(b"GET /page HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")) == 200


def test_what_is_no_request_is_400(serve):
    assert status_of(serve().opens(b"\x16\x03\x01 hello\r\n\r\n")) == 400


def test_trailers_without_end_are_cut_off(serve):
    server = serve()
    plain = server.opens(b"POST /page HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    with counts("relais_requests_refused_total", reason="headers"):
        plain.sendall(b"".join(b"H%d: y\r\n" % n for n in range(500)))
        assert ends(plain)


def test_pipelined_requests_do_not_pile_up(serve):
    server = serve()
    plain = server.opens(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + PAGE * 1000)
    assert ends(plain)
    server.holds(0)


def test_a_request_without_end_is_cut_off(serve):
    server = serve(max_request_bytes=100_000)
    plain = server.opens(b"POST /page HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    with counts("relais_requests_refused_total", reason="size"):
        try:
            for _ in range(200_000):
                plain.sendall(b"1\r\nx\r\n" * 100)
        except OSError:
            pass


# -- memory ------------------------------------------------------------------------------------------------


def begins_body(path, length):
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path, length)


def test_bodies_count_together_and_the_one_too_many_is_asked_to_come_back(serve):
    server = serve(small_body_bytes=1000, max_large_body_bytes=100_000)
    first = server.opens(begins_body(b"/page", 100_000) + b"x" * 90_000)
    wait_until(lambda: server.table.large_bytes["others"] == 89_000)
    with counts("relais_requests_refused_total", reason="memory"):
        second = server.opens(begins_body(b"/page", 50_000) + b"x" * 20_000)
        assert status_of(second) == 503
    wait_until(lambda: server.left == 1)
    assert server.table.large_bytes["others"] == 89_000
    # Small ones and those of hooks are not concerned.
    assert status_of(server.opens(begins_body(b"/page", 1000) + b"x" * 1000)) == 200
    assert status_of(server.opens(begins_body(b"/api/hook", 50_000) + b"x" * 50_000)) == 200
    first.sendall(b"x" * 10_000)
    assert status_of(first) == 200
    wait_until(lambda: set(server.table.large_bytes.values()) == {0})


def test_what_left_gives_its_memory_back(serve):
    server = serve(small_body_bytes=0)
    with server.opens(begins_body(b"/page", 100_000) + b"x" * 50_000):
        wait_until(lambda: server.table.large_bytes["others"] == 50_000)
    wait_until(lambda: server.table.large_bytes["others"] == 0)


# -- time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "sent", "phase", "status"),
    [
        ({"idle_seconds": 0.1}, b"", "idle", None),
        ({"header_seconds": 0.1}, b"GET /page HTT", "headers", 408),
        ({"header_seconds": 0.1}, b"\r\n", "headers", 408),
        ({"body_seconds": 0.1}, begins_body(b"/page", 10) + b"x", "body", 408),
    ],
)
def test_who_lets_wait_is_closed(serve, limits, sent, phase, status):
    server = serve(**limits)
    with counts("relais_request_timeouts_total", phase=phase):
        plain = server.opens(sent)
        assert status_of(plain) == status
    server.holds(0)


def test_a_drop_now_and_then_wins_no_time(serve):
    server = serve(header_seconds=0.5)
    plain = server.opens(b"GET /page HTTP/1.1\r\n")
    stop = threading.Event()

    def drips():
        try:
            while not stop.wait(0.05):
                plain.sendall(b"X: y\r\n")
        except OSError:
            pass

    dripping = threading.Thread(target=drips)
    with counts("relais_request_timeouts_total", phase="headers"):
        dripping.start()
    stop.set()
    dripping.join()


def test_an_idle_connection_is_closed_after_its_answer(serve):
    server = serve(idle_seconds=0.1)
    plain = server.opens(PAGE)
    assert status_of(plain) == 200
    assert ends(plain)


def test_time_does_not_run_while_the_application_works(serve):
    server = serve(idle_seconds=0.1, header_seconds=0.1, body_seconds=0.1)
    slow = server.opens(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    with counts("relais_request_timeouts_total", phase="idle"):
        server.opens()
    server.going_on.set()
    assert status_of(slow) == 200


def test_a_body_behind_its_answer_is_not_waited_for(serve):
    server = serve(linger_seconds=0.1)
    plain = server.opens(begins_body(b"/refuses", 100_000) + b"x")
    assert status_of(plain) == 403
    assert ends(plain)


def test_who_takes_nothing_of_an_answer_is_dropped(serve):
    server = serve(write_seconds=0.2)
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect(("127.0.0.1", server.port))
        with counts("relais_request_timeouts_total", phase="write"):
            plain.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        server.holds(0)


# -- room -------------------------------------------------------------------------------------------------


def test_many_idle_connections_refuse_nobody(serve):
    """The one that has been idle longest goes for each that comes."""
    server = serve(max_connections=30, hook_reserve=10)
    idle = [server.opens() for _ in range(60)]
    assert status_of(server.opens(PAGE)) == 200
    assert status_of(server.opens(HOOK)) == 200
    assert server.table.count <= 21
    assert status_of(idle[0]) is None
    idle[-1].sendall(PAGE)
    assert status_of(idle[-1]) == 200


def test_half_sent_requests_refuse_nobody(serve):
    server = serve(max_connections=30, hook_reserve=10)
    for _ in range(60):
        server.opens(b"GET /page HTTP/1.1\r\nX: ")
    assert status_of(server.opens(PAGE)) == 200


def test_bodies_that_never_come_refuse_nobody(serve):
    server = serve(max_connections=30, hook_reserve=10, evictable_body_seconds=0)
    for _ in range(60):
        server.opens(begins_body(b"/page", 10))
    assert status_of(server.opens(PAGE)) == 200


def test_the_last_places_are_for_hooks(serve):
    server = serve(max_connections=10, hook_reserve=4)
    slow = [server.opens(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(6)]
    wait_until(lambda: len(server.table._phases[connections.Phase.ANSWER]) == 6)
    with counts("relais_requests_refused_total", reason="crowded"):
        assert status_of(server.opens(PAGE)) == 503
    assert status_of(server.opens(HOOK)) == 200
    server.going_on.set()
    assert [status_of(plain) for plain in slow] == [200] * 6


def test_beyond_the_last_place_nobody_is_taken(serve):
    server = serve(max_connections=4, hook_reserve=0)
    for _ in range(4):
        server.opens(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: len(server.table._phases[connections.Phase.ANSWER]) == 4)
    with counts("relais_connections_refused_total", reason="total"):
        assert status_of(server.opens(PAGE)) is None


def test_one_address_has_a_share(serve, monkeypatch):
    monkeypatch.setattr(connections, "LOOPBACK", ())
    server = serve(max_per_address=5)
    idle = [server.opens() for _ in range(8)]
    assert status_of(server.opens(PAGE)) == 200
    server.holds(5)
    assert status_of(idle[0]) is None
    for _ in range(4):
        server.opens(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    slow = server.opens(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: len(server.table._phases[connections.Phase.ANSWER]) == 5)
    with counts("relais_connections_refused_total", reason="address"):
        assert status_of(server.opens(PAGE)) is None
    server.going_on.set()
    assert status_of(slow) == 200


def test_websockets_are_no_part_of_that_share_and_stay(serve, monkeypatch):
    monkeypatch.setattr(connections, "LOOPBACK", ())
    server = serve(max_per_address=2, max_connections=40, hook_reserve=10, idle_seconds=0.1)
    with ExitStack() as pages:
        offices = [
            pages.enter_context(connect(f"ws://127.0.0.1:{server.port}/live", compression=None))
            for _ in range(20)
        ]
        for _ in range(40):
            server.opens()
        assert status_of(server.opens(PAGE)) == 200
        for office in offices:
            office.send("here")
            assert office.recv(timeout=10) == "here"
        assert len(server.table.websockets) == 20
    wait_until(lambda: not server.table.websockets)


def test_no_socket_takes_the_place_of_a_hook(serve):
    server = serve(max_connections=6, hook_reserve=4)
    for _ in range(2):
        server.opens(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: len(server.table._phases[connections.Phase.ANSWER]) == 2)
    answer = requests.get(
        f"http://127.0.0.1:{server.port}/live",
        headers={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        },
        timeout=10,
    )
    assert answer.status_code == 503


def test_the_web_server_runs_within_these_limits(settings):
    config = _config(settings.ENVIRONMENT, False, ConnectionLimits(max_connections=99))
    config.load()
    for made in (config.http_protocol_class, config.ws_protocol_class):
        assert made.keywords["table"].limits.max_connections == 99
    assert config.timeout_keep_alive > ConnectionLimits.idle_seconds


# -- descriptors ------------------------------------------------------------------------------------------


def test_as_many_descriptors_as_allowed_and_fewer_connections(monkeypatch):
    asked = []
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: asked.append(limits))
    for (soft, hard), most in {
        (1024, 524_288): 4096,
        (1024, 1024): 768,
        (256, 256): 64,
        (20_000, resource.RLIM_INFINITY): 4096,
    }.items():
        monkeypatch.setattr(resource, "getrlimit", lambda kind, both=(soft, hard): both)
        limits = limits_for_this_process()
        assert (limits.max_connections, limits.hook_reserve < most) == (most, True)
    assert asked == [(65_536, 524_288), (65_536, resource.RLIM_INFINITY)]


@pytest.mark.django_db(transaction=True)
def test_hooks_store_although_a_thousand_connections_are_open():
    """`select` knows no descriptor above 1,023, and a connection to the database may be one."""
    line = DatabaseLine()
    connection.close()
    connection.close_pool()
    with ExitStack() as open_ones:
        for _ in range(1100):
            open_ones.enter_context(socket.socket())
        line.hold()
        assert connection.connection.fileno() > 1023
        line.hold()
        assert line.is_worn()
        line.leave()
    connection.close_pool()
