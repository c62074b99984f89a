"""The database connections break while a periodic job is being deferred: jobs run again within seconds."""

import os
import signal
from contextlib import suppress

import psycopg
import pytest

from relais.bench.instance import running_instance
from relais.emulator.testing import wait_for
from relais.ops.database import dsn

SELECT_LAST_DEFERRED = "select coalesce(max(defer_timestamp), 0) from procrastinate_periodic_defers"
DEFER_JOB = """
select procrastinate_defer_jobs_v1(array[row('default', 'relais.conversations.tasks.end_silent_conversations', 0,
    null, null, '{"timestamp": 0}', null)::procrastinate_job_to_defer_v1])
"""
COUNT_LOCK_WAITS = (
    "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%%periodic%%'"
)
TERMINATE_CONNECTIONS = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where pid <> pg_backend_pid() and backend_type = 'client backend'
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with running_instance(tmp_path_factory.mktemp("cut") / "data") as desk:
        yield desk


def terminate_connections(desk):
    desk.query(TERMINATE_CONNECTIONS)


def kill_postmaster(desk):
    os.kill(int((desk.folder / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


@pytest.mark.parametrize("inject_fault", [terminate_connections, kill_postmaster])
def test_jobs_run_again_when_the_connection_breaks_while_a_job_is_deferred(desk, inject_fault):
    with suppress(psycopg.OperationalError), psycopg.connect(dsn(desk.folder)) as blocker:
        blocker.execute("lock procrastinate_periodic_defers in access exclusive mode")
        wait_for(lambda: desk.query(COUNT_LOCK_WAITS) != [(0,)], 30, "the deferrer to wait for the lock")
        inject_fault(desk)
    wait_for(desk.is_healthy, 60, "health to be back")
    [[before]], [[[job]]] = desk.query(SELECT_LAST_DEFERRED), desk.query(DEFER_JOB)
    wait_for(
        lambda: desk.query("select count(*) from procrastinate_jobs where id = %s", job) == [(0,)],
        30,
        "a job to be done",
    )
    wait_for(
        lambda: desk.query(SELECT_LAST_DEFERRED)[0][0] > before, 30, "periodic jobs to be deferred again"
    )
