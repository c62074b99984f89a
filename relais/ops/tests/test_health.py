"""What a monitor is told."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from django.db import connection

from relais.ops import health
from relais.ops.health import STALE, beat, record_completions
from relais.ops.job_progress import periodic_intervals
from tests.web_server import WebServer, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
WELL = {"status": "ok", "database": "ok", "jobs": "ok", "sender": "ok", "live": "ok"}


@pytest.fixture
def desk(transactional_db):
    with WebServer() as desk:
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


# -- work, not life ----------------------------------------------------------------------------------------

LONG = 10_000
EVERY_FIVE_SECONDS, EACH_MINUTE, EACH_HOUR = (
    "relais.flows.tasks.wake_bots",
    "relais.whatsapp.tasks.look_at_log",
    "relais.whatsapp.tasks.look_back_in_log",
)


def jobs_run(seconds):
    """Both duties live; the process of the jobs began so many seconds ago."""
    beat("jobs", running=seconds)
    beat("sender")


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
    answer = desk.get("/api/health")
    assert (answer.status_code == 200) == (answer.json()["jobs"] == "ok")
    assert answer.json() == WELL | {
        "status": "ok" if answer.status_code == 200 else "unwell",
        "jobs": answer.json()["jobs"],
    }
    return answer.json()["jobs"]


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
def test_a_periodic_job_that_does_not_succeed_for_three_intervals_is_not_well(desk, task, seconds, state):
    jobs_run(10 * 3600)
    completed(1)
    completed(seconds, f"task {task}")
    assert jobs_are(desk) == state


def test_one_that_never_succeeded_is_not_well_either(desk):
    jobs_run(LONG)
    assert jobs_are(desk) == "stuck"


def test_a_first_start_and_one_after_a_long_time_are_well(desk):
    jobs_run(2)
    assert jobs_are(desk) == "ok"
    completed(14 * 86_400)
    a_job_waits(14 * 86_400)
    assert jobs_are(desk) == "ok"


def test_a_job_that_nobody_takes_is_not_well(desk):
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


def test_what_cannot_run_yet_keeps_nobody_waiting(desk):
    jobs_run(LONG)
    completed(1)
    first = a_job_waits(500, lock="bot:1")
    with connection.cursor() as cursor:
        cursor.execute("update procrastinate_jobs set status = 'doing' where id = %s", [first])
    a_job_waits(400, lock="bot:1")
    a_job_waits(400, due=600)
    assert jobs_are(desk) == "ok"


def test_a_job_that_is_taken_at_this_moment_is_not_late(desk, monkeypatch):
    """One that waited for its lock is old when its turn comes."""
    jobs_run(LONG)
    completed(1)
    job = a_job_waits(400)
    looks, progress = [], health._progress

    async def taken_after_the_first_look(db):
        seen = await progress(db)
        if not looks:
            await db.execute("update procrastinate_jobs set status = 'doing' where id = %s", [job])
        looks.append(seen)
        return seen

    monkeypatch.setattr(health, "_progress", taken_after_the_first_look)
    assert jobs_are(desk) == "ok"
    assert len(looks) == 2


def test_the_heartbeat_decides_where_progress_cannot_be_told_in_time(desk):
    jobs_run(LONG)
    with connection.cursor() as cursor:
        cursor.execute("begin; lock table procrastinate_jobs in access exclusive mode")
        answer = desk.get("/api/health")
        cursor.execute("rollback")
    assert answer.elapsed.total_seconds() < 2.5
    assert (answer.json()["database"], answer.json()["jobs"]) == ("ok", "ok")


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
