"""What a monitor is told."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from django.db import connection

from relais.live.tests.desk import Desk, wait_until
from relais.ops import health
from relais.ops.health import STALE, beat

pytestmark = pytest.mark.django_db(transaction=True)
WELL = {"status": "ok", "database": "ok", "jobs": "ok", "sender": "ok", "live": "ok"}


@pytest.fixture
def desk(transactional_db):
    with Desk() as desk:
        yield desk


def test_all_is_well_while_jobs_and_sender_beat(desk):
    beat("jobs")
    beat("sender")
    answer = desk.get("/api/health")
    assert (answer.status_code, answer.json()) == (200, WELL)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/api/health", "/api/live", "/live", "/api/twilio/message", "/static/none"])
def test_what_is_native_is_data_and_nothing_to_guess(desk, path):
    answer = desk.get(path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_duty_that_never_began_is_named(desk):
    beat("jobs")
    answer = desk.get("/api/health")
    assert (answer.status_code, answer.json()) == (503, WELL | {"status": "unwell", "sender": "silent"})


def test_a_duty_that_stopped_is_named_and_one_that_comes_back_is_well(desk):
    beat("jobs")
    beat("sender")
    with connection.cursor() as cursor:
        cursor.execute(
            "update heartbeats set at = at - make_interval(secs => %s) where name = 'jobs'", [STALE + 1]
        )
    assert desk.get("/api/health").json()["jobs"] == "silent"
    beat("jobs")
    assert desk.get("/api/health").status_code == 200


def test_not_hearing_the_database_is_said(desk, monkeypatch):
    beat("jobs")
    beat("sender")
    monkeypatch.setattr(desk.live.listener, "hears", False)
    answer = desk.get("/api/health")
    assert (answer.status_code, answer.json()["live"]) == (503, "deaf")


def test_the_process_lives_and_is_ready(desk):
    assert desk.get("/api/live").json() == {"status": "ok"}
    assert desk.get("/api/ready").json() == {"status": "ok", "database": "ok"}


def test_a_database_that_does_not_answer_is_named_in_time(desk):
    with connection.cursor() as cursor:
        cursor.execute("begin; lock table heartbeats in access exclusive mode")
        answer = desk.get("/api/health")
        cursor.execute("rollback")
    assert answer.elapsed.total_seconds() < 2.5
    assert (answer.status_code, answer.json()["database"], answer.json()["jobs"]) == (503, "gone", "unknown")
    wait_until(lambda: desk.get("/api/ready").status_code == 200)


class HangingPool:
    """Of a database that was frozen: whoever takes his question back is kept waiting as well."""

    @asynccontextmanager
    async def connection(self):
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            await asyncio.sleep(20)
        yield


def test_a_database_that_hangs_is_gone_and_keeps_nobody_waiting(monkeypatch):
    monkeypatch.setattr(health, "PATIENCE", 0.1)

    async def answered():
        began = asyncio.get_running_loop().time()
        alive = await health._alive(HangingPool())
        return alive, asyncio.get_running_loop().time() - began

    # Not asyncio.run, which waits for what was left behind.
    loop = asyncio.new_event_loop()
    alive, seconds = loop.run_until_complete(answered())
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()
    assert alive is None
    assert seconds < 2
