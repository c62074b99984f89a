"""Checks of the database, its migrations, and the background workers."""

from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from relais.content_templates.models import TemplateSync
from relais.ops.doctor import database, migrations, workers
from relais.ops.doctor.tests.conftest import only_problem, states, with_environment
from relais.ops.health import record_completions, record_heartbeat
from relais.ops.job_progress import periodic_intervals
from relais.whatsapp.content.template_sync import SYNC_INTERVAL
from relais.whatsapp.models import LogReconciliation
from relais.whatsapp.reconcile.status import STALE_AFTER
from tests.cast import OUR_NUMBER

CORRECT_FACTS = {
    "number": 170_000,
    "version": "17.0",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "standby": False,
    "extensions": ["pg_trgm", "unaccent"],
    "most": 57,
}


def test_a_database_without_fsync_is_reported(with_database):
    # The tests run on such a database.
    results = {f.sentence.split()[0]: f for f in database.check_database(with_database)}
    assert results["PostgreSQL"].state == "ok"
    assert results["fsync"].state == results["synchronous_commit"].state == "failed"
    assert results["fsync"].advice == "Set fsync to on."


def test_a_correct_database_has_no_problem():
    assert list(database._check_facts(CORRECT_FACTS, 0.0002, 40)) == []


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
def test_each_problem_of_a_database_is_one_result(facts, seconds, left, state, sentence):
    [problem] = database._check_facts(CORRECT_FACTS | facts, seconds, left)
    assert (problem.state, sentence in problem.sentence, bool(problem.advice)) == (state, True, True)


def test_an_unreachable_database_is_reported_without_its_password(context):
    unreachable = with_environment(
        context, database_url="postgresql://relais:tres-secret@127.0.0.1:9/relais", embedded_database=False
    )
    problem = only_problem(database.check_database, unreachable)
    assert problem.state == "failed"
    assert "DATABASE_URL" in problem.advice
    assert "tres-secret" not in problem.sentence


def test_a_database_without_free_connections_is_reported(context, monkeypatch):
    def full(*args, **more):
        raise psycopg.OperationalError("connection failed: FATAL:  sorry, too many clients already")

    monkeypatch.setattr(psycopg, "connect", full)
    assert "raise max_connections" in only_problem(database.check_database, context).advice


def test_all_migrations_are_applied(with_database):
    assert states(migrations.check_migrations, with_database) == ["ok"]


def test_a_pending_migration_is_named(with_database, monkeypatch):
    ours = migrations._known_migrations()
    monkeypatch.setattr(migrations, "_known_migrations", lambda: ours | {("clients", "0099_to_come")})
    problem = only_problem(migrations.check_migrations, with_database)
    assert problem.state == "failed"
    assert "clients.0099_to_come" in problem.sentence


def test_a_migration_of_a_later_version_is_named(with_database, monkeypatch):
    ours = migrations._known_migrations()
    monkeypatch.setattr(migrations, "_known_migrations", lambda: ours - {("clients", "0001_initial")})
    problem = only_problem(migrations.check_migrations, with_database)
    assert problem.state == "failed"
    assert "clients.0001_initial" in problem.sentence
    assert "later" in problem.sentence


def test_a_database_without_tables_is_reported(with_database):
    empty = with_environment(
        with_database, database_url=with_database.environment.database_url.replace("test_", "")
    )
    assert "no tables" in only_problem(migrations.check_migrations, empty).sentence


@pytest.fixture
def execute(with_database):
    def execute(query, *parameters):
        with connection.cursor() as cursor:
            cursor.execute(query, parameters)

    return execute


@pytest.fixture
def running_workers(execute):
    record_heartbeat("jobs")
    record_heartbeat("sender")
    execute("insert into procrastinate_workers default values")


def test_running_jobs_and_sender_are_ok(with_database, running_workers):
    assert states(workers.check_jobs, with_database) == ["ok"]
    assert states(workers.check_sender, with_database) == ["ok"]


@pytest.mark.parametrize("check", [workers.check_jobs, workers.check_sender])
def test_workers_without_a_heartbeat_are_not_running(with_database, check):
    problem = only_problem(check, with_database)
    assert problem.state == "failed"
    assert "Not running: there never was" in problem.sentence
    assert "bin/up" in problem.advice


@pytest.mark.parametrize("check", [workers.check_jobs, workers.check_sender])
def test_the_age_of_a_stale_heartbeat_is_reported(with_database, running_workers, execute, check):
    execute("update heartbeats set at = now() - interval '3 minutes'")
    problem = only_problem(check, with_database)
    assert problem.state == "failed"
    assert "3 min ago" in problem.sentence


def test_a_process_without_a_worker_is_reported(with_database, running_workers, execute):
    execute("update procrastinate_workers set last_heartbeat = now() - interval '1 minute'")
    assert "no worker" in only_problem(workers.check_jobs, with_database).sentence


def test_an_overdue_periodic_job_is_named(with_database, running_workers):
    record_heartbeat("jobs", uptime_seconds=4000)
    record_completions({f"task {task}": 1.0 for task in periodic_intervals()})
    assert states(workers.check_jobs, with_database) == ["ok"]
    record_completions({"task relais.flows.tasks.wake_bots": 90.0})
    problem = only_problem(workers.check_jobs, with_database)
    assert (problem.state, problem.sentence) == (
        "failed",
        "The periodic job wake_bots has not succeeded for 90 s.",
    )


def test_a_stuck_queue_is_named(with_database, running_workers, execute):
    record_heartbeat("jobs", uptime_seconds=4000)
    record_completions({f"task {task}": 1.0 for task in periodic_intervals()})
    execute(
        "insert into procrastinate_jobs (queue_name, task_name, scheduled_at)"
        " values ('other', 'a', now() - interval '200 seconds')"
    )
    execute("update procrastinate_events set at = now() - interval '200 seconds'")
    problem = only_problem(workers.check_jobs, with_database)
    assert (problem.state, "queue other" in problem.sentence) == ("failed", True)


def test_a_failed_job_is_named(with_database, running_workers, execute):
    execute(
        "insert into procrastinate_jobs (id, queue_name, task_name) values (7, 'default', 'relais.flows.tasks.run_bot')"
    )
    execute("update procrastinate_jobs set status = 'doing'")
    execute("update procrastinate_jobs set status = 'failed'")
    problem = only_problem(workers.check_jobs, with_database)
    assert (problem.state, "run_bot × 1" in problem.sentence) == ("warning", True)
    execute("update procrastinate_events set at = now() - interval '2 days'")
    assert states(workers.check_jobs, with_database) == ["ok"]


def test_a_stalled_job_is_counted(with_database, running_workers, execute):
    execute("insert into procrastinate_jobs (queue_name, task_name, status) values ('default', 'a', 'doing')")
    assert "1 started by a worker that is gone" in only_problem(workers.check_jobs, with_database).sentence


def test_a_job_waiting_too_long_is_counted(with_database, running_workers, execute):
    execute(
        "insert into procrastinate_jobs (queue_name, task_name, scheduled_at) values "
        "('default', 'a', now() - interval '2 hours'), ('default', 'b', now() + interval '2 hours')"
    )
    problem = only_problem(workers.check_jobs, with_database)
    assert problem.sentence == "1 waiting, the oldest for 2 h."


def test_a_message_unsent_for_too_long_is_reported(
    with_database, running_workers, execute, held_by_awa, awa, clock
):
    held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    execute("update message_deliveries set created_at = now() - interval '10 minutes'")
    problem = only_problem(workers.check_sender, with_database)
    assert problem.state == "failed"
    assert "the oldest for 10 min" in problem.sentence


def test_an_uncertain_delivery_is_counted(with_database, running_workers, execute, held_by_awa, awa, clock):
    held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    execute("update message_deliveries set state = 'uncertain', created_at = now()")
    problem = only_problem(workers.check_sender, with_database)
    assert (problem.state, problem.sentence[:4]) == ("warning", "Of 2")


# -- the reconciliation with Twilio's log -------------------------------------------------------------------------


@pytest.fixture
def update_reading(with_database):
    """The log of our number, read to its end half a minute ago."""
    account = with_database.environment.twilio_account_sid
    reading = LogReconciliation.get_or_create_for(OUR_NUMBER, account=account, since=timezone.now())

    def update_reading(**fields):
        LogReconciliation.objects.filter(pk=reading.pk).update(**fields)

    update_reading(last_ok_at=timezone.now() - timedelta(seconds=30))
    return update_reading


def test_a_log_read_to_its_end_is_ok(update_reading, with_database):
    [result] = workers.check_message_log(with_database)
    assert (result.state, "0 missing" in result.sentence) == ("ok", True)


@pytest.mark.parametrize("error", ["last_error", "back_error"])
def test_an_incomplete_reading_of_the_log_is_reported(update_reading, with_database, error):
    update_reading(missing=0, **{error: "Twilio ne répond pas."})
    problem = only_problem(workers.check_message_log, with_database)
    assert (problem.state, "incomplete" in problem.sentence) == ("warning", True)
    assert "0 missing" not in problem.sentence


def test_a_log_not_read_to_its_end_for_long_is_a_failure(update_reading, with_database):
    update_reading(last_ok_at=timezone.now() - timedelta(hours=3))
    problem = only_problem(workers.check_message_log, with_database)
    assert (problem.state, "3 h ago" in problem.sentence) == ("failed", True)


def test_a_log_that_was_never_read_is_unverified(with_database):
    assert states(workers.check_message_log, with_database) == ["unverified"]


def test_doctor_and_reconciliation_status_agree_when_a_log_is_stale():
    assert timedelta(seconds=workers.MAX_RECONCILIATION_AGE_SECONDS) == STALE_AFTER


def test_templates_read_within_the_hour_are_ok(with_database):
    TemplateSync.record_success(at=timezone.now() - timedelta(minutes=50))
    [result] = workers.check_templates(with_database)
    assert (result.state, "50 min ago" in result.sentence) == ("ok", True)


def test_a_failed_attempt_to_read_templates_is_reported(with_database):
    TemplateSync.record_success(at=timezone.now() - timedelta(minutes=65))
    TemplateSync.record_failure("Twilio ne répond pas.", at=timezone.now())
    problem = only_problem(workers.check_templates, with_database)
    assert (problem.state, "65 min ago" in problem.sentence) == ("warning", True)


@pytest.mark.parametrize("was_read", [True, False])
def test_templates_that_were_not_read_for_hours_are_a_failure(with_database, was_read):
    if was_read:
        TemplateSync.record_success(at=timezone.now() - timedelta(hours=5))
    TemplateSync.record_failure("Twilio ne répond pas.", at=timezone.now())
    problem = only_problem(workers.check_templates, with_database)
    assert (problem.state, "5 h ago" in problem.sentence) == ("failed", was_read)


def test_templates_before_the_first_attempt_are_unverified(with_database):
    assert states(workers.check_templates, with_database) == ["unverified"]


def test_without_an_account_there_are_no_templates_to_read(with_database):
    assert states(workers.check_templates, with_environment(with_database, twilio_account_sid="")) == ["ok"]


def test_doctor_allows_some_attempts_to_read_templates():
    assert timedelta(seconds=workers.MAX_TEMPLATE_AGE_SECONDS) > 2 * SYNC_INTERVAL
