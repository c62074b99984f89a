"""A process whose health stays bad is restarted, with backoff, unless a restart cannot help."""

import json
import socket
import sys
import threading

import pytest

from relais.ops import health_watchdog, supervisor
from relais.ops.child_process import Child
from relais.ops.health_watchdog import (
    NO_ANSWER,
    HealthProbe,
    HealthWatchdog,
    parse_health,
    unhealthy_children,
)
from relais.ops.supervisor import Supervisor
from relais.ops.tests.desk import until

HEALTHY = {"status": "ok", "database": "ok", "jobs": "ok", "sender": "ok", "live": "ok"}
STUCK = HEALTHY | {"status": "unhealthy", "jobs": "stuck"}


class Story:
    """The watchdog with a fake clock and a fake `/api/health`."""

    def __init__(self):
        self.now, self.health, self.restarts = 1000.0, HEALTHY, []
        self.watch = HealthWatchdog(lambda: self, clock=lambda: self.now)

    def result(self):
        return self.health

    def close(self):
        pass

    def goes_on(self, seconds, health):
        self.health = health
        for _second in range(int(seconds)):
            self.now += 1
            for child, reason in self.watch.children_to_restart().items():
                self.restarts.append((child, self.now))
                self.reason = reason
        return [child for child, _at in self.restarts]


@pytest.fixture
def story():
    return Story()


@pytest.mark.parametrize(
    ("part", "state", "child"),
    [
        ("jobs", "stale", "jobs"),
        ("jobs", "stuck", "jobs"),
        ("sender", "stale", "jobs"),
        ("live", "not_listening", "web"),
    ],
)
def test_a_child_unhealthy_for_a_minute_is_restarted_with_the_reason(story, part, state, child):
    assert story.goes_on(55, HEALTHY | {part: state}) == []
    assert story.goes_on(20, HEALTHY | {part: state}) == [child]
    assert state in story.reason


def test_a_child_that_recovers_in_between_is_not_restarted(story):
    for _time in range(10):
        assert story.goes_on(50, STUCK) == []
        assert story.goes_on(10, HEALTHY) == []


@pytest.mark.parametrize(
    "health",
    [
        HEALTHY,
        HEALTHY | {"status": "unhealthy", "jobs": "late"},
        HEALTHY | {"status": "unhealthy", "database": "down", "jobs": "unknown", "sender": "unknown"},
        HEALTHY
        | {
            "status": "unhealthy",
            "database": "down",
            "jobs": "unknown",
            "sender": "unknown",
            "live": "not_listening",
        },
        {},
    ],
)
def test_nobody_is_restarted_for_what_a_restart_does_not_fix(story, health):
    assert story.goes_on(24 * 3600, health) == []


def test_the_time_without_a_database_does_not_count(story):
    down = HEALTHY | {"database": "down", "jobs": "unknown", "sender": "unknown"}
    for _time in range(20):
        assert story.goes_on(50, STUCK) == []
        assert story.goes_on(10, down) == []


def test_web_that_does_not_answer_is_restarted_after_two_minutes(story):
    assert story.goes_on(110, NO_ANSWER) == []
    assert story.goes_on(20, NO_ANSWER) == ["web"]


def test_a_child_that_stays_unhealthy_is_restarted_with_backoff(story):
    story.goes_on(24 * 3600, STUCK)
    times = [at for _child, at in story.restarts]
    waits = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert all(after >= before - 10 for before, after in zip(waits, waits[1:], strict=False))
    assert waits[0] >= 120 and waits[-1] >= 3600
    assert len(times) < 32


def test_a_long_healthy_time_resets_the_backoff(story):
    story.goes_on(3600, STUCK)
    before = len(story.restarts)
    story.goes_on(health_watchdog.RESET_BACKOFF_AFTER_SECONDS + 10, HEALTHY)
    story.goes_on(75, STUCK)
    assert len(story.restarts) == before + 1


def test_a_response_that_is_not_the_health_check_s_blames_nobody():
    assert parse_health(b"HTTP/1.1 503 Service Unavailable\r\n\r\nTry again later.") == {}
    assert parse_health(b"HTTP/1.1 200 OK\r\n\r\n") == {}
    assert unhealthy_children(parse_health(b"")) == {"web": "/api/health is not answered"}
    response = b"HTTP/1.1 503 Service Unavailable\r\n\r\n" + json.dumps(STUCK).encode()
    assert unhealthy_children(parse_health(response)) == {"jobs": "jobs is stuck"}


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_probe_waits_for_its_response_without_blocking(listener):
    probe = HealthProbe(listener.getsockname())
    assert probe.result() is None
    web, _ = listener.accept()
    assert web.recv(4096).startswith(b"GET /api/health ")
    web.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n" + json.dumps(STUCK).encode())
    web.close()
    until(lambda: probe.result() == STUCK, what="the response")
    probe.close()


def test_a_probe_without_a_response_times_out(listener, monkeypatch):
    monkeypatch.setattr(health_watchdog, "PROBE_TIMEOUT_SECONDS", 0.1)
    probe = HealthProbe(listener.getsockname())
    until(lambda: probe.result() == NO_ANSWER, what="the timeout")
    probe.close()


class NoSignals:
    def wait(self, seconds):
        threading.Event().wait(min(seconds, 0.02))


@pytest.mark.parametrize(
    "program_start", ["", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "]
)
def test_the_supervisor_restarts_an_unhealthy_child(tmp_path, monkeypatch, program_start):
    notices = []
    monkeypatch.setattr(supervisor, "print_notice", lambda sentence, **ids: notices.append(sentence))
    program = f"{program_start}import time; print('started', flush=True); time.sleep(600)"
    child = Child("jobs", [sys.executable, "-c", program], log=tmp_path / "jobs.log", stop_timeout=0.2)
    instance = Supervisor(NoSignals(), tmp_path)
    instance.health = HealthWatchdog(lambda: Story.__new__(Story), restart_after=0.0)
    monkeypatch.setattr(Story, "result", lambda self: STUCK)
    instance.start(child)
    first = child.process.pid
    start_count = lambda: (tmp_path / "jobs.log").read_text().count("started")  # noqa: E731
    until(lambda: start_count() == 1, what="the child to begin")

    def restarted():
        instance.tick(0.02)
        return child.is_running and child.process.pid != first and start_count() == 2

    try:
        until(restarted, what="another process of the child")
        assert notices[0] == "jobs is restarted: jobs is stuck for 0 s."
        assert "it is started again in 1 s." in notices[1]
    finally:
        child.kill()
        instance.log_tails["jobs"].close()
