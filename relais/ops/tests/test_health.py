"""What `/api/health` reports to a monitor."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from django.db import connection

from relais.ops import health
from relais.ops.health import STALE_AFTER_SECONDS, record_completions, record_heartbeat
from relais.ops.job_progress import periodic_intervals
from tests.web_server import WebServer, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
HEALTHY = {"status": "ok", "database": "ok", "jobs": "ok", "sender": "ok", "live": "ok"}


@pytest.fixture
def desk(transactional_db):
    with WebServer() as desk:
        yield desk


def test_all_parts_are_ok_while_jobs_and_sender_write_heartbeats(desk):
    record_heartbeat("jobs")
    record_heartbeat("sender")
    response = desk.get("/api/health")
    assert (response.status_code, response.json()) == (200, HEALTHY)
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/api/health", "/api/live", "/live", "/api/twilio/message", "/static/none"])
def test_native_routes_forbid_content_sniffing(desk, path):
    response = desk.get(path)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_a_worker_that_never_started_is_stale(desk):
    record_heartbeat("jobs")
    response = desk.get("/api/health")
    assert (response.status_code, response.json()) == (
        503,
        HEALTHY | {"status": "unhealthy", "sender": "stale"},
    )


def test_a_worker_that_stopped_is_stale_until_its_next_heartbeat(desk):
    record_heartbeat("jobs")
    record_heartbeat("sender")
    with connection.cursor() as cursor:
        cursor.execute(
            "update heartbeats set at = at - make_interval(secs => %s) where name = 'jobs'",
            [STALE_AFTER_SECONDS + 1],
        )
    assert desk.get("/api/health").json()["jobs"] == "stale"
    record_heartbeat("jobs")
    assert desk.get("/api/health").status_code == 200


def test_live_that_cannot_listen_to_the_database_is_reported(desk, monkeypatch):
    record_heartbeat("jobs")
    record_heartbeat("sender")
    monkeypatch.setattr(desk.live.listener, "is_listening", False)
    response = desk.get("/api/health")
    assert (response.status_code, response.json()["live"]) == (503, "not_listening")


def test_the_process_lives_and_is_ready(desk):
    assert desk.get("/api/live").json() == {"status": "ok"}
    assert desk.get("/api/ready").json() == {"status": "ok", "database": "ok"}


def test_a_database_that_does_not_answer_is_down_within_the_timeout(desk):
    with connection.cursor() as cursor:
        cursor.execute("begin; lock table heartbeats in access exclusive mode")
        response = desk.get("/api/health")
        cursor.execute("rollback")
    assert health.DATABASE_TIMEOUT_SECONDS <= 2 and response.elapsed.total_seconds() < 10
    assert (response.status_code, response.json()["database"], response.json()["jobs"]) == (
        503,
        "down",
        "unknown",
    )
    wait_until(lambda: desk.get("/api/ready").status_code == 200)


# -- progress of jobs ----------------------------------------------------------------------------------------

LONG = 10_000
EVERY_FIVE_SECONDS, EACH_MINUTE, EACH_HOUR = (
    "relais.flows.tasks.wake_bots",
    "relais.whatsapp.tasks.look_at_log",
    "relais.whatsapp.tasks.look_back_in_log",
)


def jobs_run(seconds):
    """Both workers write heartbeats; the jobs process started so many seconds ago."""
    record_heartbeat("jobs", uptime_seconds=seconds)
    record_heartbeat("sender")


def completed(ago, *names):
    record_completions(dict.fromkeys(names or [f"task {task}" for task in periodic_intervals()], ago))


def a_job_waits(seconds, *, lock=None, queue="default", due=None):
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into procrastinate_jobs (queue_name, task_name, lock, scheduled_at)"
            " values (%s, 'relais.try', %s, now() + make_interval(secs => %s)) returning id",
            [queue, lock, due],
        )
        [job] = cursor.fetchone()
        cursor.execute(
            "update procrastinate_events set at = now() - make_interval(secs => %s) where job_id = %s",
            [seconds, job],
        )
    return job


def jobs_are(desk):
    response = desk.get("/api/health")
    assert (response.status_code == 200) == (response.json()["jobs"] == "ok")
    assert response.json() == HEALTHY | {
        "status": "ok" if response.status_code == 200 else "unhealthy",
        "jobs": response.json()["jobs"],
    }
    return response.json()["jobs"]


def test_the_intervals_are_those_of_the_schedules():
    intervals = periodic_intervals()
    assert (intervals[EVERY_FIVE_SECONDS], intervals[EACH_MINUTE], intervals[EACH_HOUR]) == (5, 60, 3600)


@pytest.mark.parametrize(
    ("task", "seconds", "state"),
    [
        (EVERY_FIVE_SECONDS, 12, "ok"),
        (EVERY_FIVE_SECONDS, 25, "stuck"),
        (EACH_MINUTE, 170, "ok"),
        (EACH_MINUTE, 190, "stuck"),
        (EACH_HOUR, 3 * 3600 - 60, "ok"),
        (EACH_HOUR, 3 * 3600 + 60, "stuck"),
    ],
)
def test_a_periodic_job_that_does_not_succeed_for_three_intervals_is_stuck(desk, task, seconds, state):
    jobs_run(10 * 3600)
    completed(1)
    completed(seconds, f"task {task}")
    assert jobs_are(desk) == state


def test_a_periodic_job_that_never_succeeded_is_stuck(desk):
    jobs_run(LONG)
    assert jobs_are(desk) == "stuck"


def test_a_first_start_and_a_start_after_a_long_stop_are_ok(desk):
    jobs_run(2)
    assert jobs_are(desk) == "ok"
    completed(14 * 86_400)
    a_job_waits(14 * 86_400)
    assert jobs_are(desk) == "ok"


def test_a_queue_whose_jobs_nobody_fetches_is_stuck(desk):
    jobs_run(LONG)
    completed(1)
    a_job_waits(100)
    assert jobs_are(desk) == "ok"
    a_job_waits(200, queue="other")
    assert jobs_are(desk) == "stuck"


def test_a_queue_that_makes_progress_is_late_and_not_stuck(desk):
    jobs_run(LONG)
    completed(1)
    a_job_waits(200)
    completed(3, "queue default")
    assert jobs_are(desk) == "late"


def test_a_job_that_cannot_run_yet_makes_no_queue_late(desk):
    jobs_run(LONG)
    completed(1)
    first = a_job_waits(500, lock="bot:1")
    with connection.cursor() as cursor:
        cursor.execute("update procrastinate_jobs set status = 'doing' where id = %s", [first])
    a_job_waits(400, lock="bot:1")
    a_job_waits(400, due=600)
    assert jobs_are(desk) == "ok"


def test_a_job_that_is_fetched_between_two_reads_is_not_late(desk, monkeypatch):
    """A job that waited for its lock is old once it may run."""
    jobs_run(LONG)
    completed(1)
    job = a_job_waits(400)
    reads, progress = [], health._progress

    async def fetched_after_the_first_read(db):
        result = await progress(db)
        if not reads:
            await db.execute("update procrastinate_jobs set status = 'doing' where id = %s", [job])
        reads.append(result)
        return result

    monkeypatch.setattr(health, "_progress", fetched_after_the_first_read)
    assert jobs_are(desk) == "ok"
    assert len(reads) == 2


def test_the_heartbeat_decides_when_progress_cannot_be_read_in_time(desk):
    jobs_run(LONG)
    with connection.cursor() as cursor:
        cursor.execute("begin; lock table procrastinate_jobs in access exclusive mode")
        response = desk.get("/api/health")
        cursor.execute("rollback")
    assert health.DATABASE_TIMEOUT_SECONDS <= 2 and response.elapsed.total_seconds() < 10
    assert (response.json()["database"], response.json()["jobs"]) == ("ok", "ok")


class HangingPool:
    """The pool of a frozen database, on which cancelling a query hangs as well."""

    @asynccontextmanager
    async def connection(self):
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            await asyncio.sleep(20)
        yield


def test_a_database_that_hangs_is_down_and_blocks_nobody(monkeypatch):
    monkeypatch.setattr(health, "DATABASE_TIMEOUT_SECONDS", 0.1)

    async def timed_read():
        started = asyncio.get_running_loop().time()
        readings = await health._read_within_timeout(HangingPool())
        return readings, asyncio.get_running_loop().time() - started

    # Not asyncio.run, which waits for the tasks that are left.
    loop = asyncio.new_event_loop()
    readings, seconds = loop.run_until_complete(timed_read())
    remaining = asyncio.all_tasks(loop)
    for task in remaining:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*remaining, return_exceptions=True))
    loop.close()
    assert readings is None
    assert seconds < 2
