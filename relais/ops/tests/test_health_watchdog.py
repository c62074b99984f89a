"""A process whose health stays bad is restarted, seldom, and never for what a restart does not mend."""

import json
import socket
import sys
import threading

import pytest

from relais.ops import health_watchdog, supervisor
from relais.ops.child_process import Child
from relais.ops.health_watchdog import NO_ANSWER, HealthProbe, HealthWatch, ill_children, parsed
from relais.ops.supervisor import Supervisor
from relais.ops.tests.desk import until

WELL = {"status": "ok", "database": "ok", "jobs": "ok", "sender": "ok", "live": "ok"}
STUCK = WELL | {"status": "unwell", "jobs": "stuck"}


class Story:
    """What health says from now on, by a clock of our own."""

    def __init__(self):
        self.now, self.health, self.restarts = 1000.0, WELL, []
        self.watch = HealthWatch(lambda: self, clock=lambda: self.now)

    def result(self):
        return self.health

    def close(self):
        pass

    def goes_on(self, seconds, health):
        self.health = health
        for _second in range(int(seconds)):
            self.now += 1
            for child, why in self.watch.children_to_restart().items():
                self.restarts.append((child, self.now))
                self.why = why
        return [child for child, _at in self.restarts]


@pytest.fixture
def story():
    return Story()


@pytest.mark.parametrize(
    ("part", "state", "child"),
    [
        ("jobs", "silent", "jobs"),
        ("jobs", "stuck", "jobs"),
        ("sender", "silent", "jobs"),
        ("live", "deaf", "web"),
    ],
)
def test_who_stays_ill_for_a_minute_is_restarted_and_it_is_said_why(story, part, state, child):
    assert story.goes_on(55, WELL | {part: state}) == []
    assert story.goes_on(20, WELL | {part: state}) == [child]
    assert state in story.why


def test_who_is_well_again_in_between_is_left_alone(story):
    for _time in range(10):
        assert story.goes_on(50, STUCK) == []
        assert story.goes_on(10, WELL) == []


@pytest.mark.parametrize(
    "health",
    [
        WELL,
        WELL | {"status": "unwell", "jobs": "late"},
        WELL | {"status": "unwell", "database": "gone", "jobs": "unknown", "sender": "unknown"},
        WELL
        | {"status": "unwell", "database": "gone", "jobs": "unknown", "sender": "unknown", "live": "deaf"},
        {},
    ],
)
def test_for_what_a_restart_does_not_mend_nobody_is_restarted(story, health):
    assert story.goes_on(24 * 3600, health) == []


def test_the_time_without_a_database_does_not_count(story):
    away = WELL | {"database": "gone", "jobs": "unknown", "sender": "unknown"}
    for _time in range(20):
        assert story.goes_on(50, STUCK) == []
        assert story.goes_on(10, away) == []


def test_web_that_does_not_answer_is_restarted_after_two_minutes(story):
    assert story.goes_on(110, NO_ANSWER) == []
    assert story.goes_on(20, NO_ANSWER) == ["web"]


def test_who_does_not_get_well_by_it_is_restarted_ever_more_seldom(story):
    story.goes_on(24 * 3600, STUCK)
    times = [at for _child, at in story.restarts]
    waits = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert all(after >= before - 10 for before, after in zip(waits, waits[1:], strict=False))
    assert waits[0] >= 120 and waits[-1] >= 3600
    assert len(times) < 32


def test_who_was_well_for_long_is_restarted_at_the_first_time_s_pace(story):
    story.goes_on(3600, STUCK)
    before = len(story.restarts)
    story.goes_on(health_watchdog.FORGIVEN_AFTER_SECONDS + 10, WELL)
    story.goes_on(75, STUCK)
    assert len(story.restarts) == before + 1


def test_an_answer_that_is_none_of_ours_blames_nobody():
    assert parsed(b"HTTP/1.1 503 Service Unavailable\r\n\r\nTry again later.") == {}
    assert parsed(b"HTTP/1.1 200 OK\r\n\r\n") == {}
    assert ill_children(parsed(b"")) == {"web": "/api/health is not answered"}
    answer = b"HTTP/1.1 503 Service Unavailable\r\n\r\n" + json.dumps(STUCK).encode()
    assert ill_children(parsed(answer)) == {"jobs": "jobs is stuck"}


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_probe_waits_for_its_answer_without_blocking(listener):
    probe = HealthProbe(listener.getsockname())
    assert probe.result() is None
    web, _ = listener.accept()
    assert web.recv(4096).startswith(b"GET /api/health ")
    web.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n" + json.dumps(STUCK).encode())
    web.close()
    until(lambda: probe.result() == STUCK, what="the answer")
    probe.close()


def test_a_probe_without_an_answer_has_an_end(listener, monkeypatch):
    monkeypatch.setattr(health_watchdog, "PROBE_TIMEOUT_SECONDS", 0.1)
    probe = HealthProbe(listener.getsockname())
    until(lambda: probe.result() == NO_ANSWER, what="the end of it")
    probe.close()


class SilentBell:
    def pause(self, seconds):
        threading.Event().wait(min(seconds, 0.02))


@pytest.mark.parametrize("manner", ["", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "])
def test_the_supervisor_stops_the_ill_and_starts_it_again(tmp_path, monkeypatch, manner):
    told = []
    monkeypatch.setattr(supervisor, "tell", lambda sentence, **ids: told.append(sentence))
    program = f"{manner}import time; print('begun', flush=True); time.sleep(600)"
    child = Child("jobs", [sys.executable, "-c", program], log=tmp_path / "jobs.log", patience=0.2)
    here = Supervisor(SilentBell(), tmp_path)
    here.health = HealthWatch(lambda: Story.__new__(Story), restart_after=0.0)
    monkeypatch.setattr(Story, "result", lambda self: STUCK)
    here.start(child)
    first = child.process.pid
    begun = lambda: (tmp_path / "jobs.log").read_text().count("begun")  # noqa: E731
    until(lambda: begun() == 1, what="the child to begin")

    def goes_on():
        here.look_after(0.02)
        return child.runs and child.process.pid != first and begun() == 2

    try:
        until(goes_on, what="another process of the child")
        assert told[0] == "jobs is restarted: jobs is stuck for 0 s."
        assert "it is started again in 1 s." in told[1]
    finally:
        child.kill()
        here.tails["jobs"].close()
