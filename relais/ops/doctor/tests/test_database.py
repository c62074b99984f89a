"""Faults of the database, its tables, and of those who do its jobs."""

from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from relais.ops.doctor import database, migrations, workers
from relais.ops.doctor.tests.conftest import only_fault, states, written_to
from relais.ops.health import record_completions, record_heartbeat
from relais.ops.job_progress import periodic_intervals
from relais.whatsapp.models import LogReconciliation
from tests.cast import OUR_NUMBER

WELL = {
    "number": 170_000,
    "version": "17.0",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "standby": False,
    "extensions": ["pg_trgm", "unaccent"],
    "most": 57,
}


def test_a_database_that_does_not_wait_for_the_disk_is_told(with_database):
    # The tests' own is such a one.
    found = {f.sentence.split()[0]: f for f in database.look(with_database)}
    assert found["PostgreSQL"].state == "ok"
    assert found["fsync"].state == found["synchronous_commit"].state == "failed"
    assert found["fsync"].advice == "Set fsync to on."


def test_nothing_is_wrong_with_a_good_database():
    assert list(database._faults(WELL, 0.0002, 40)) == []


@pytest.mark.parametrize(
    ("facts", "seconds", "left", "state", "sentence"),
    [
        ({"number": 140_000, "version": "14.2"}, 0, 40, "failed", "It is PostgreSQL 14.2."),
        ({"standby": True}, 0, 40, "failed", "standby"),
        ({"extensions": ["unaccent"]}, 0, 40, "failed", "pg_trgm is missing"),
        ({"synchronous_commit": "off"}, 0, 40, "failed", "synchronous_commit is off"),
        ({}, 0.2, 40, "warning", "takes 200 ms"),
        ({}, 0, 3, "warning", "Only 3 of 57"),
        ({}, 0, -1, "failed", "Only 0 of 57"),
    ],
)
def test_each_fault_of_a_database_is_one_line(facts, seconds, left, state, sentence):
    [fault] = database._faults(WELL | facts, seconds, left)
    assert (fault.state, sentence in fault.sentence, bool(fault.advice)) == (state, True, True)


def test_a_database_that_is_away_is_told_without_its_password(patient):
    away = written_to(
        patient, database_url="postgresql://relais:tres-secret@127.0.0.1:9/relais", embedded_database=False
    )
    fault = only_fault(database.look, away)
    assert fault.state == "failed"
    assert "DATABASE_URL" in fault.advice
    assert "tres-secret" not in fault.sentence


def test_a_database_without_a_connection_left_is_told(patient, monkeypatch):
    def full(*args, **more):
        raise psycopg.OperationalError("connection failed: FATAL:  sorry, too many clients already")

    monkeypatch.setattr(psycopg, "connect", full)
    assert "raise max_connections" in only_fault(database.look, patient).advice


def test_all_migrations_are_applied(with_database):
    assert states(migrations.look, with_database) == ["ok"]


def test_a_pending_migration_is_named(with_database, monkeypatch):
    ours = migrations._of_this_version()
    monkeypatch.setattr(migrations, "_of_this_version", lambda: ours | {("clients", "0099_to_come")})
    fault = only_fault(migrations.look, with_database)
    assert fault.state == "failed"
    assert "clients.0099_to_come" in fault.sentence


def test_a_migration_of_a_later_version_is_named(with_database, monkeypatch):
    ours = migrations._of_this_version()
    monkeypatch.setattr(migrations, "_of_this_version", lambda: ours - {("clients", "0001_initial")})
    fault = only_fault(migrations.look, with_database)
    assert fault.state == "failed"
    assert "clients.0001_initial" in fault.sentence
    assert "later" in fault.sentence


def test_a_database_without_tables_is_told(with_database):
    empty = written_to(
        with_database, database_url=with_database.environment.database_url.replace("test_", "")
    )
    assert "no tables" in only_fault(migrations.look, empty).sentence


@pytest.fixture
def ask(with_database):
    def ask(query, *parameters):
        with connection.cursor() as cursor:
            cursor.execute(query, parameters)

    return ask


@pytest.fixture
def at_work(ask):
    record_heartbeat("jobs")
    record_heartbeat("sender")
    ask("insert into procrastinate_workers default values")


def test_jobs_and_sender_at_work_are_well(with_database, at_work):
    assert states(workers.look_at_jobs, with_database) == ["ok"]
    assert states(workers.look_at_sender, with_database) == ["ok"]


@pytest.mark.parametrize("look", [workers.look_at_jobs, workers.look_at_sender])
def test_nobody_at_work_is_not_running(with_database, look):
    fault = only_fault(look, with_database)
    assert fault.state == "failed"
    assert "Not running: there never was" in fault.sentence
    assert "bin/up" in fault.advice


@pytest.mark.parametrize("look", [workers.look_at_jobs, workers.look_at_sender])
def test_a_stale_heartbeat_says_since_when(with_database, at_work, ask, look):
    ask("update heartbeats set at = now() - interval '3 minutes'")
    fault = only_fault(look, with_database)
    assert fault.state == "failed"
    assert "3 min ago" in fault.sentence


def test_a_process_without_a_worker_is_told(with_database, at_work, ask):
    ask("update procrastinate_workers set last_heartbeat = now() - interval '1 minute'")
    assert "no worker" in only_fault(workers.look_at_jobs, with_database).sentence


def test_a_periodic_job_that_does_not_succeed_is_named(with_database, at_work):
    record_heartbeat("jobs", uptime_seconds=4000)
    record_completions({f"task {task}": 1.0 for task in periodic_intervals()})
    assert states(workers.look_at_jobs, with_database) == ["ok"]
    record_completions({"task relais.flows.tasks.wake_bots": 90.0})
    fault = only_fault(workers.look_at_jobs, with_database)
    assert (fault.state, fault.sentence) == (
        "failed",
        "The periodic job wake_bots has not succeeded for 90 s.",
    )


def test_a_queue_that_nobody_works_at_is_named(with_database, at_work, ask):
    record_heartbeat("jobs", uptime_seconds=4000)
    record_completions({f"task {task}": 1.0 for task in periodic_intervals()})
    ask(
        "insert into procrastinate_jobs (queue_name, task_name, scheduled_at)"
        " values ('other', 'a', now() - interval '200 seconds')"
    )
    ask("update procrastinate_events set at = now() - interval '200 seconds'")
    fault = only_fault(workers.look_at_jobs, with_database)
    assert (fault.state, "queue other" in fault.sentence) == ("failed", True)


def test_a_job_that_failed_for_good_is_named(with_database, at_work, ask):
    ask(
        "insert into procrastinate_jobs (id, queue_name, task_name) values (7, 'default', 'relais.flows.tasks.run_bot')"
    )
    ask("update procrastinate_jobs set status = 'doing'")
    ask("update procrastinate_jobs set status = 'failed'")
    fault = only_fault(workers.look_at_jobs, with_database)
    assert (fault.state, "run_bot × 1" in fault.sentence) == ("warning", True)
    ask("update procrastinate_events set at = now() - interval '2 days'")
    assert states(workers.look_at_jobs, with_database) == ["ok"]


def test_a_job_whose_worker_died_is_counted(with_database, at_work, ask):
    ask("insert into procrastinate_jobs (queue_name, task_name, status) values ('default', 'a', 'doing')")
    assert "1 begun by a worker that is gone" in only_fault(workers.look_at_jobs, with_database).sentence


def test_a_job_that_nobody_takes_is_counted(with_database, at_work, ask):
    ask(
        "insert into procrastinate_jobs (queue_name, task_name, scheduled_at) values "
        "('default', 'a', now() - interval '2 hours'), ('default', 'b', now() + interval '2 hours')"
    )
    fault = only_fault(workers.look_at_jobs, with_database)
    assert fault.sentence == "1 waiting, the oldest for 2 h."


def test_a_message_that_waits_for_long_is_a_fault(with_database, at_work, ask, held_by_awa, awa, clock):
    held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    ask("update message_deliveries set created_at = now() - interval '10 minutes'")
    fault = only_fault(workers.look_at_sender, with_database)
    assert fault.state == "failed"
    assert "the oldest for 10 min" in fault.sentence


def test_a_doubt_is_counted(with_database, at_work, ask, held_by_awa, awa, clock):
    held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    ask("update message_deliveries set state = 'uncertain', created_at = now()")
    fault = only_fault(workers.look_at_sender, with_database)
    assert (fault.state, fault.sentence[:4]) == ("warning", "Of 2")


# -- the comparison with Twilio's log -------------------------------------------------------------------------


@pytest.fixture
def reading(with_database):
    """The log of our number, read to its end half a minute ago."""
    account = with_database.environment.twilio_account_sid
    reading = LogReconciliation.get_or_create_for(OUR_NUMBER, account=account, since=timezone.now())

    def reading_has(**fields):
        LogReconciliation.objects.filter(pk=reading.pk).update(**fields)

    reading_has(last_ok_at=timezone.now() - timedelta(seconds=30))
    return reading_has


def test_a_log_read_to_its_end_is_well(reading, with_database):
    [finding] = workers.look_at_message_log(with_database)
    assert (finding.state, "0 missing" in finding.sentence) == ("ok", True)


@pytest.mark.parametrize("error", ["last_error", "back_error"])
def test_a_look_that_broke_off_claims_nothing_about_the_rest(reading, with_database, error):
    reading(missing=0, **{error: "Twilio ne répond pas."})
    fault = only_fault(workers.look_at_message_log, with_database)
    assert (fault.state, "incomplete" in fault.sentence) == ("warning", True)
    assert "0 missing" not in fault.sentence


def test_a_log_not_read_to_its_end_for_long_is_a_failure(reading, with_database):
    reading(last_ok_at=timezone.now() - timedelta(hours=3))
    fault = only_fault(workers.look_at_message_log, with_database)
    assert (fault.state, "3 h ago" in fault.sentence) == ("failed", True)


def test_a_log_that_was_never_read_is_unverified(with_database):
    assert states(workers.look_at_message_log, with_database) == ["unverified"]
