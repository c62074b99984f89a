"""The workers of the queues and the periodic deferrer recover by themselves when their connection breaks."""

import asyncio
import threading
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import psycopg
import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from procrastinate.contrib.django import DjangoApp, app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException

from relais.emulator.testing import wait_for
from relais.live.pool import conninfo
from relais.ops import job_tracker as tracking
from relais.ops.job_tracker import job_tracker
from relais.ops.tasks import retry_stalled
from relais.ops.workers import Workers
from relais.periodic_jobs import PeriodicJob

pytestmark = pytest.mark.django_db(transaction=True)
TIMEOUT_SECONDS = 30
TERMINATE_OTHERS = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
COUNT_WAITING_FOR_LOCK = """
select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%procrastinate_defer_periodic%'
"""


class WorkerHarness:
    """An app with the tasks of one test, and workers for it in a thread of their own."""

    def __init__(self):
        self.app = DjangoApp(connector=app.connector)
        self.periodic_jobs = []
        self.done = []

    def record(self, name):
        self.done.append(name)

    @contextmanager
    def running(self, **concurrency):
        loop, stop = asyncio.new_event_loop(), asyncio.Event()

        async def work():
            self.workers = Workers(
                self.app,
                concurrency,
                conninfo=conninfo(),
                shutdown_timeout_seconds=5,
                periodic_jobs=self.periodic_jobs,
            )
            self.working = asyncio.ensure_future(self.workers.run(stop))
            await asyncio.wait([self.working])
            return self.working.cancelled()

        def run():
            # It also ends the tasks that still record the outcome of a job.
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                self.was_cancelled = runner.run(work())

        thread = threading.Thread(target=run)
        thread.start()
        wait_for(lambda: hasattr(self, "working"), TIMEOUT_SECONDS, "the workers to begin")
        try:
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            loop.call_soon_threadsafe(self.working.cancel)
            thread.join(TIMEOUT_SECONDS)
        assert self.was_cancelled

    def wait_until_done(self, name):
        wait_for(lambda: name in self.done, TIMEOUT_SECONDS, f"the job {name} to be done")

    def wait_until_done_again(self, name, times=2):
        already = self.done.count(name)
        wait_for(
            lambda: self.done.count(name) >= already + times, TIMEOUT_SECONDS, f"{name} to be done again"
        )


@pytest.fixture
def harness(transactional_db):
    yield WorkerHarness()
    # Broken connections stay in the pool: the more tests ran before, the longer it takes to find one that is alive.
    connection.close()
    connection.close_pool()


@contextmanager
def own_database_connection():
    with psycopg.connect(conninfo(), autocommit=True) as database:
        yield database


def cut_all_connections(database):
    database.execute(TERMINATE_OTHERS)
    connection.close()
    connection.close_pool()


def break_next(manager, query, monkeypatch):
    """Let the next such query of the workers' bookkeeping fail like on a broken connection. Return an event set then."""
    original, broke = getattr(manager, query), threading.Event()

    async def break_once(*args, **kwargs):
        if not broke.is_set():
            broke.set()
            raise ConnectorException("the connection broke")
        return await original(*args, **kwargs)

    monkeypatch.setattr(manager, query, break_once)
    return broke


def test_periodic_jobs_continue_when_the_connection_breaks_in_the_middle_of_a_tick(harness):
    harness.periodic_jobs.append(PeriodicJob("each second", "* * * * * *", "tick"))

    @harness.app.task(name="each second")
    def each_second(timestamp):
        harness.record("tick")

    with (
        harness.running(default=2),
        own_database_connection() as database,
        own_database_connection() as locking,
    ):
        harness.wait_until_done("tick")
        with suppress(psycopg.OperationalError), locking.transaction():
            locking.execute("lock procrastinate_periodic_defers in access exclusive mode")
            wait_for(
                lambda: database.execute(COUNT_WAITING_FOR_LOCK).fetchone()[0],
                TIMEOUT_SECONDS,
                "the deferrer to wait",
            )
            cut_all_connections(database)
        harness.wait_until_done_again("tick")


def test_jobs_continue_after_every_connection_broke(harness):
    @harness.app.task(name="simple")
    def simple(name):
        harness.record(name)

    with harness.running(default=2), own_database_connection() as database:
        simple.defer(name="before")
        harness.wait_until_done("before")
        for cut in ("first", "second"):
            cut_all_connections(database)
            simple.defer(name=cut)
            harness.wait_until_done(cut)


def test_a_hanging_job_does_not_block_the_new_worker(harness, monkeypatch):
    finish = threading.Event()

    @harness.app.task(name="hangs")
    def hangs():
        harness.record("started")
        finish.wait(TIMEOUT_SECONDS)
        harness.record("ended")

    @harness.app.task(name="simple")
    def simple():
        harness.record("simple")

    try:
        with harness.running(default=1):
            hangs.defer()
            harness.wait_until_done("started")
            break_next(harness.workers.app.job_manager, "update_heartbeat", monkeypatch)
            # Without a free slot, only another worker can do it.
            simple.defer()
            harness.wait_until_done("simple")
            assert "ended" not in harness.done
            finish.set()
            wait_for(
                lambda: not ProcrastinateJob.objects.exists(), TIMEOUT_SECONDS, "both jobs to be acknowledged"
            )
    finally:
        finish.set()
    assert harness.done.count("started") == 1


def test_slow_jobs_of_one_queue_take_no_slot_of_another(harness):
    finish = threading.Event()

    @harness.app.task(name="slow", queue="slow")
    def slow():
        harness.record("slow")
        finish.wait(TIMEOUT_SECONDS)

    @harness.app.task(name="simple")
    def simple():
        harness.record("simple")

    try:
        with harness.running(default=1, slow=2):
            for _more_than_slots in range(5):
                slow.defer()
            wait_for(
                lambda: harness.done.count("slow") == 2, TIMEOUT_SECONDS, "all slots of the queue to be taken"
            )
            simple.defer()
            harness.wait_until_done("simple")
            assert harness.done.count("slow") == 2
            finish.set()
            wait_for(
                lambda: harness.done.count("slow") == 5, TIMEOUT_SECONDS, "the others to have their turn"
            )
    finally:
        finish.set()


def test_jobs_deferred_in_a_rolled_back_transaction_are_gone(harness):
    @harness.app.task(name="next")
    def deferred(name):
        harness.record(name)

    @harness.app.task(name="fails")
    def fails():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            deferred.defer(name="rolled back")
            raise ZeroDivisionError
        with transaction.atomic():
            deferred.defer(name="committed")

    with harness.running(default=1):
        fails.defer()
        harness.wait_until_done("committed")
    assert "rolled back" not in harness.done
    assert not ProcrastinateJob.objects.exists()


def test_a_job_whose_outcome_could_not_be_written_is_retried(harness, monkeypatch):
    monkeypatch.setattr(tracking, "LOST_AFTER_SECONDS", 0.0)

    @harness.app.task(name="simple")
    def simple():
        harness.record("simple")

    with harness.running(default=1):
        lost = break_next(harness.workers.app.job_manager, "finish_job", monkeypatch)
        simple.defer()
        assert lost.wait(TIMEOUT_SECONDS)
        wait_for(lambda: not job_tracker.running_count, TIMEOUT_SECONDS, "the job to be left")
        [left] = ProcrastinateJob.objects.values_list("status", flat=True)
        assert left == "doing"
        async_to_sync(retry_stalled.func)(SimpleNamespace(app=app), 0)
        wait_for(lambda: not ProcrastinateJob.objects.exists(), TIMEOUT_SECONDS, "the job to be acknowledged")
    assert harness.done == ["simple", "simple"]
