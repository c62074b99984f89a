"""The workers of the queues and the periodic deferrer go on by themselves whatever happens to their connection."""

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

pytestmark = pytest.mark.django_db(transaction=True)
WITHIN = 30
CUT = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
WAITS_FOR_A_LOCK = """
select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%procrastinate_defer_periodic%'
"""


class Office:
    """An app with the tasks of one test, and workers for it in a thread of their own."""

    def __init__(self):
        self.app = DjangoApp(connector=app.connector)
        self.done = []

    def note(self, name):
        self.done.append(name)

    @contextmanager
    def at_work(self, **concurrency):
        loop, stop = asyncio.new_event_loop(), asyncio.Event()

        async def work():
            self.workers = Workers(self.app, concurrency, conninfo=conninfo(), jobs_end_within=5)
            self.working = asyncio.ensure_future(self.workers.run(stop))
            await asyncio.wait([self.working])
            return self.working.cancelled()

        def run():
            self.was_cancelled = loop.run_until_complete(work())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

        thread = threading.Thread(target=run)
        thread.start()
        wait_for(lambda: hasattr(self, "working"), WITHIN, "the workers to begin")
        try:
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            loop.call_soon_threadsafe(self.working.cancel)
            thread.join(WITHIN)
        assert self.was_cancelled

    def does(self, name):
        wait_for(lambda: name in self.done, WITHIN, f"the job {name} to be done")

    def does_more(self, name, times=2):
        already = self.done.count(name)
        wait_for(lambda: self.done.count(name) >= already + times, WITHIN, f"{name} to be done again")


@pytest.fixture
def office(transactional_db):
    yield Office()
    # What was cut stays in the pool, and the more tests ran before, the longer it takes to come upon one that is alive.
    connection.close()
    connection.close_pool()


@contextmanager
def outside():
    with psycopg.connect(conninfo(), autocommit=True) as database:
        yield database


def deferred(task, **arguments):
    try:
        return task.defer(**arguments)
    except ConnectorException:
        connection.close()
        return None


def cut_all_connections(database):
    database.execute(CUT)
    connection.close()
    connection.close_pool()


def breaks_once(manager, query, monkeypatch):
    """The next such query of the workers' bookkeeping fails as on a broken connection; returns when it did."""
    works, broke = getattr(manager, query), threading.Event()

    async def first_breaks(*given, **named):
        if not broke.is_set():
            broke.set()
            raise ConnectorException("the connection broke")
        return await works(*given, **named)

    monkeypatch.setattr(manager, query, first_breaks)
    return broke


def test_periodic_jobs_go_on_when_the_connection_breaks_in_the_middle_of_a_tick(office):
    @office.app.periodic(cron="* * * * * *")
    @office.app.task(name="each second")
    def each_second(timestamp):
        office.note("tick")

    with office.at_work(default=2), outside() as database, outside() as locking:
        office.does("tick")
        with suppress(psycopg.OperationalError), locking.transaction():
            locking.execute("lock procrastinate_periodic_defers in access exclusive mode")
            wait_for(lambda: database.execute(WAITS_FOR_A_LOCK).fetchone()[0], WITHIN, "the deferrer to wait")
            cut_all_connections(database)
        office.does_more("tick")


def test_jobs_go_on_after_every_connection_broke(office):
    @office.app.task(name="simple")
    def simple(name):
        office.note(name)

    with office.at_work(default=2), outside() as database:
        simple.defer(name="before")
        office.does("before")
        for cut in ("first", "second"):
            cut_all_connections(database)
            simple.defer(name=cut)
            office.does(cut)


def test_a_job_that_hangs_keeps_no_new_worker_from_its_work(office, monkeypatch):
    let_go = threading.Event()

    @office.app.task(name="hangs")
    def hangs():
        office.note("begun")
        let_go.wait(WITHIN)
        office.note("ended")

    @office.app.task(name="simple")
    def simple():
        office.note("simple")

    try:
        with office.at_work(default=1):
            hangs.defer()
            office.does("begun")
            breaks_once(office.workers.app.job_manager, "update_heartbeat", monkeypatch)
            # Without a free slot, only another worker can do it.
            simple.defer()
            office.does("simple")
            assert "ended" not in office.done
            let_go.set()
            wait_for(lambda: not ProcrastinateJob.objects.exists(), WITHIN, "both jobs to be acknowledged")
    finally:
        let_go.set()
    assert office.done.count("begun") == 1


def test_slow_jobs_of_one_queue_take_no_slot_of_another(office):
    let_go = threading.Event()

    @office.app.task(name="slow", queue="slow")
    def slow():
        office.note("slow")
        let_go.wait(WITHIN)

    @office.app.task(name="simple")
    def simple():
        office.note("simple")

    try:
        with office.at_work(default=1, slow=2):
            for _more_than_slots in range(5):
                slow.defer()
            wait_for(lambda: office.done.count("slow") == 2, WITHIN, "all slots of the queue to be taken")
            simple.defer()
            office.does("simple")
            assert office.done.count("slow") == 2
            let_go.set()
            wait_for(lambda: office.done.count("slow") == 5, WITHIN, "the others to have their turn")
    finally:
        let_go.set()


def test_what_a_job_defers_is_gone_with_its_transaction(office):
    @office.app.task(name="next")
    def deferred(name):
        office.note(name)

    @office.app.task(name="fails")
    def fails():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            deferred.defer(name="rolled back")
            raise ZeroDivisionError
        with transaction.atomic():
            deferred.defer(name="committed")

    with office.at_work(default=1):
        fails.defer()
        office.does("committed")
    assert "rolled back" not in office.done
    assert not ProcrastinateJob.objects.exists()


def test_a_job_whose_outcome_could_not_be_written_is_done_again(office, monkeypatch):
    monkeypatch.setattr(tracking, "LOST_AFTER_SECONDS", 0.0)

    @office.app.task(name="simple")
    def simple():
        office.note("simple")

    with office.at_work(default=1):
        lost = breaks_once(office.workers.app.job_manager, "finish_job", monkeypatch)
        simple.defer()
        assert lost.wait(WITHIN)
        wait_for(lambda: not job_tracker.running_count, WITHIN, "the job to be left")
        [left] = ProcrastinateJob.objects.values_list("status", flat=True)
        assert left == "doing"
        async_to_sync(retry_stalled.func)(SimpleNamespace(app=app), 0)
        wait_for(lambda: not ProcrastinateJob.objects.exists(), WITHIN, "the job to be acknowledged")
    assert office.done == ["simple", "simple"]
