"""Checks of the background workers: jobs, sender and log reconciliation run, and nothing waits for too long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, failed, ok, unverified, warning
from relais.ops.health import STALE_AFTER_SECONDS
from relais.ops.job_progress import SELECT_OLDEST_READY, SELECT_PROGRESS, JobProgress, periodic_intervals
from relais.ops.status_queries import (
    SELECT_FAILED_JOBS,
    SELECT_HEARTBEATS,
    SELECT_OUTBOX,
    Outbox,
)
from relais.ops.status_thresholds import FAILED_JOBS_WINDOW_SECONDS, MAX_UNSENT_SECONDS

MAX_JOB_WAIT_SECONDS = 300

COUNT_WORKERS = (
    "select count(*) from procrastinate_workers where last_heartbeat > now() - make_interval(secs => %s)"
)
STALLED_JOBS = """
select count(*) from procrastinate_jobs job
left join procrastinate_workers worker on worker.id = job.worker_id
where job.status = 'doing' and coalesce(worker.last_heartbeat, '-infinity') < now() - make_interval(secs => %s)
"""
WAITING_JOBS = """
select count(*), max(extract(epoch from now() - coalesce(job.scheduled_at, deferred.at)))::float
from procrastinate_jobs job
cross join lateral (
  select max(event.at) as at from procrastinate_events event where event.job_id = job.id) deferred
where job.status = 'todo'
  and coalesce(job.scheduled_at, deferred.at) < now() - make_interval(secs => %s)
"""
LOG_READINGS = """
select sender, extract(epoch from now() - last_ok_at)::float, missing, last_error || back_error <> ''
from log_readings where account = %s order by sender
"""
MAX_RECONCILIATION_AGE_SECONDS = 900
"""As `relais.whatsapp.reconcile.status.STALE_AFTER`, whose module needs Django. The log is read every minute."""


TEMPLATE_SYNC = """
select extract(epoch from now() - succeeded_at)::float, error <> '' from content_template_sync
"""
MAX_TEMPLATE_AGE_SECONDS = 3 * 3600
"""Templates are read every hour, and after a failure every five minutes."""


def check_jobs(context: DoctorContext) -> Iterator[CheckResult]:
    advice = f"If it comes again, read {context.log}/jobs.log."
    with context.database() as db:
        alive, heartbeat = _read_heartbeat(db, "jobs", context)
        (workers,) = _one(db, COUNT_WORKERS, STALE_AFTER_SECONDS)
        problems = list(_check_progress(db, context)) if alive and workers else []
        if problems:
            yield from problems
        elif alive and workers:
            yield ok(f"{heartbeat}; {workers} at work.")
        elif alive:
            yield failed(
                "The process lives, but no worker takes jobs.",
                f"Read {context.log}/jobs.log, restart Relais.",
            )
        else:
            yield _not_running(heartbeat, context)
        failures = db.execute(SELECT_FAILED_JOBS, [FAILED_JOBS_WINDOW_SECONDS]).fetchall()
        if failures:
            names = ", ".join(f"{name.rpartition('.')[2]} × {count}" for name, count, _ in failures)
            yield warning(
                f"Jobs that failed for good within a day: {names}.", f"Read {context.log}/jobs.log."
            )
        (stalled,) = _one(db, STALLED_JOBS, STALE_AFTER_SECONDS)
        if stalled:
            yield warning(
                f"{stalled} started by a worker that is gone.",
                f"A living worker takes them up again. {advice}",
            )
        late, seconds = _one(db, WAITING_JOBS, MAX_JOB_WAIT_SECONDS)
        if late:
            yield warning(f"{late} waiting, the oldest for {_time(seconds)}.", advice)


def _check_progress(db: psycopg.Connection[Any], context: DoctorContext) -> Iterator[CheckResult]:
    progress = JobProgress.from_rows(
        db.execute(SELECT_PROGRESS).fetchall(), db.execute(SELECT_OLDEST_READY).fetchall()
    )
    advice = f"Read {context.log}/jobs.log, restart Relais."
    for task, seconds in progress.overdue(periodic_intervals()).items():
        name = task.rpartition(".")[2]
        yield failed(f"The periodic job {name} has not succeeded for {_time(seconds)}.", advice)
    for queue, seconds in progress.stuck_queues.items():
        yield failed(f"Nobody takes jobs of the queue {queue}; one has waited for {_time(seconds)}.", advice)


def check_sender(context: DoctorContext) -> Iterator[CheckResult]:
    with context.database() as db:
        alive, heartbeat = _read_heartbeat(db, "sender", context)
        outbox = Outbox.from_rows(db.execute(SELECT_OUTBOX).fetchall())
    if alive:
        yield ok(f"{heartbeat}; {outbox.waiting} to be sent.")
    else:
        yield _not_running(heartbeat, context)
    if outbox.oldest_seconds > MAX_UNSENT_SECONDS:
        yield failed(
            f"{outbox.waiting} unsent, the oldest for {_time(outbox.oldest_seconds)}.",
            f"Read {context.log}/jobs.log: it says what Twilio answers. Nothing is lost: what waits will leave.",
        )
    if outbox.uncertain_within_a_day:
        yield warning(
            f"Of {outbox.uncertain_within_a_day} of the last day nobody knows whether they left.",
            "In the conversation, « C'est arrivé » or « Renvoyer » decides.",
        )


def check_message_log(context: DoctorContext) -> Iterator[CheckResult]:
    """Whether Twilio's message log was reconciled, and read to its end."""
    with context.database() as db:
        readings = db.execute(LOG_READINGS, [context.environment.twilio_account_sid]).fetchall()
    if not readings:
        yield unverified("Twilio's log was never compared.", "It is read each minute once Relais runs.")
    for sender, age, missing, is_incomplete in readings:
        yield _check_reading(sender, age, missing, is_incomplete, context)


def _check_reading(
    sender: str, age: float | None, missing: int, is_incomplete: bool, context: DoctorContext
) -> CheckResult:
    last = "never" if age is None else f"{_time(age)} ago"
    advice = (
        f"It is tried again each minute, and within the hour for the last day; see {context.log}/jobs.log."
    )
    if age is None or age > MAX_RECONCILIATION_AGE_SECONDS:
        return failed(f"{sender}: Twilio's log was last read to its end {last}.", advice)
    if is_incomplete:
        missing_text = f"{missing} missing in the part that was read" if missing else "only a part was read"
        return warning(f"{sender}: incomplete, {missing_text}; last read to its end {last}.", advice)
    return ok(f"{sender}: compared {last}, {missing} missing then.")


def check_templates(context: DoctorContext) -> Iterator[CheckResult]:
    """When the account's templates were read last: without them nobody writes outside the window."""
    with context.database() as db:
        row = db.execute(TEMPLATE_SYNC).fetchone()
    if not context.environment.twilio_account_sid:
        yield ok("No Twilio account: there are no templates to read.")
        return
    if row is None:
        yield unverified("Never read.", "They are read as soon as Relais runs.")
        return
    age, has_failed = row
    last = "They were never read" if age is None else f"Last read {_time(age)} ago"
    advice = f"The page « Modèles » says why, and « Actualiser » tries at once; see {context.log}/jobs.log."
    if age is None or age > MAX_TEMPLATE_AGE_SECONDS:
        yield failed(f"{last}; new and changed templates are not known.", advice)
    elif has_failed:
        yield warning(f"{last}; the last attempt failed.", f"It is tried again every five minutes. {advice}")
    else:
        yield ok(f"{last}.")


def _read_heartbeat(db: psycopg.Connection[Any], name: str, context: DoctorContext) -> tuple[bool, str]:
    rows = {row[0]: row for row in db.execute(SELECT_HEARTBEATS).fetchall()}
    if name not in rows:
        return False, "there never was a sign of life"
    _, _, process, seconds = rows[name]
    return seconds <= STALE_AFTER_SECONDS, f"last sign of life {_time(max(seconds, 0))} ago, from {process}"


def _not_running(heartbeat: str, context: DoctorContext) -> CheckResult:
    return failed(
        f"Not running: {heartbeat}.",
        f"Start Relais by bin/up; if it runs already, read {context.log}/jobs.log.",
    )


def _one(db: psycopg.Connection[Any], query: str, *parameters: object) -> Any:
    return db.execute(query, parameters or None).fetchone()


def _time(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
