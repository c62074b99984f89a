"""Is somebody doing the jobs and the sending, and does nothing lie there for too long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from relais.ops.doctor.context import Patient
from relais.ops.doctor.result import Finding, failed, ok, unverified, warning
from relais.ops.health import STALE_AFTER_SECONDS
from relais.ops.job_progress import SELECT_OLDEST_READY, SELECT_PROGRESS, JobProgress, periodic_intervals

LONGEST_WAIT = 60
"""Seconds that a message may lie unsent."""
LONGEST_JOB_WAIT = 300

SIGN_OF_LIFE = "select process, extract(epoch from now() - at)::float from heartbeats where name = %s"
WORKERS = (
    "select count(*) from procrastinate_workers where last_heartbeat > now() - make_interval(secs => %s)"
)
FAILED = """
select job.task_name, count(*) from procrastinate_jobs job
where job.status = 'failed' and exists (
  select from procrastinate_events event
  where event.job_id = job.id and event.type = 'failed' and event.at > now() - interval '1 day')
group by 1 order by 2 desc
"""
STALLED = """
select count(*) from procrastinate_jobs job
left join procrastinate_workers worker on worker.id = job.worker_id
where job.status = 'doing' and coalesce(worker.last_heartbeat, '-infinity') < now() - make_interval(secs => %s)
"""
WAITING = """
select count(*), max(extract(epoch from now() - coalesce(job.scheduled_at, deferred.at)))::float
from procrastinate_jobs job
cross join lateral (
  select max(event.at) as at from procrastinate_events event where event.job_id = job.id) deferred
where job.status = 'todo'
  and coalesce(job.scheduled_at, deferred.at) < now() - make_interval(secs => %s)
"""
UNSENT = """
select count(*), max(extract(epoch from now() - created_at))::float from message_deliveries
where state in ('queued', 'sending')
"""
DOUBTFUL = """
select count(*) from message_deliveries
where state = 'uncertain' and created_at > now() - interval '1 day'
"""

LOG_READINGS = """
select sender, extract(epoch from now() - last_ok_at)::float, missing, last_error || back_error <> ''
from log_readings where account = %s order by sender
"""
LONGEST_WITHOUT_LOG = 900
"""Seconds; the log is read each minute."""


def look_at_jobs(patient: Patient) -> Iterator[Finding]:
    advice = f"If it comes again, read {patient.log}/jobs.log."
    with patient.database() as db:
        alive, told = _sign_of_life(db, "jobs", patient)
        (workers,) = _one(db, WORKERS, STALE_AFTER_SECONDS)
        faults = list(_without_progress(db, patient)) if alive and workers else []
        if faults:
            yield from faults
        elif alive and workers:
            yield ok(f"{told}; {workers} at work.")
        elif alive:
            yield failed(
                "The process lives, but no worker takes jobs.",
                f"Read {patient.log}/jobs.log, restart Relais.",
            )
        else:
            yield _not_running(told, patient)
        failures = db.execute(FAILED).fetchall()
        if failures:
            names = ", ".join(f"{name.rpartition('.')[2]} × {count}" for name, count in failures)
            yield warning(
                f"Jobs that failed for good within a day: {names}.", f"Read {patient.log}/jobs.log."
            )
        (stalled,) = _one(db, STALLED, STALE_AFTER_SECONDS)
        if stalled:
            yield warning(
                f"{stalled} begun by a worker that is gone.", f"A living worker takes them up again. {advice}"
            )
        late, seconds = _one(db, WAITING, LONGEST_JOB_WAIT)
        if late:
            yield warning(f"{late} waiting, the oldest for {_time(seconds)}.", advice)


def _without_progress(db: psycopg.Connection[Any], patient: Patient) -> Iterator[Finding]:
    progress = JobProgress.from_rows(
        db.execute(SELECT_PROGRESS).fetchall(), db.execute(SELECT_OLDEST_READY).fetchall()
    )
    advice = f"Read {patient.log}/jobs.log, restart Relais."
    for task, seconds in progress.overdue(periodic_intervals()).items():
        name = task.rpartition(".")[2]
        yield failed(f"The periodic job {name} has not succeeded for {_time(seconds)}.", advice)
    for queue, seconds in progress.stuck_queues.items():
        yield failed(f"Nobody takes jobs of the queue {queue}; one has waited for {_time(seconds)}.", advice)


def look_at_sender(patient: Patient) -> Iterator[Finding]:
    with patient.database() as db:
        alive, told = _sign_of_life(db, "sender", patient)
        unsent, seconds = _one(db, UNSENT)
        (doubtful,) = _one(db, DOUBTFUL)
    if alive:
        yield ok(f"{told}; {unsent} to be sent.")
    else:
        yield _not_running(told, patient)
    if unsent and seconds > LONGEST_WAIT:
        yield failed(
            f"{unsent} unsent, the oldest for {_time(seconds)}.",
            f"Read {patient.log}/jobs.log: it says what Twilio answers. Nothing is lost: what waits will leave.",
        )
    if doubtful:
        yield warning(
            f"Of {doubtful} of the last day nobody knows whether they left.",
            "In the conversation, « C'est arrivé » or « Renvoyer » decides.",
        )


def look_at_message_log(patient: Patient) -> Iterator[Finding]:
    """Whether Twilio's own log of messages was compared with what is here, and read to its end."""
    with patient.database() as db:
        readings = db.execute(LOG_READINGS, [patient.environment.twilio_account_sid]).fetchall()
    if not readings:
        yield unverified("Twilio's log was never compared.", "It is read each minute once Relais runs.")
    for sender, age, missing, is_incomplete in readings:
        yield _judge_reading(sender, age, missing, is_incomplete, patient)


def _judge_reading(
    sender: str, age: float | None, missing: int, is_incomplete: bool, patient: Patient
) -> Finding:
    last = "never" if age is None else f"{_time(age)} ago"
    advice = (
        f"It is tried again each minute, and within the hour for the last day; see {patient.log}/jobs.log."
    )
    if age is None or age > LONGEST_WITHOUT_LOG:
        return failed(f"{sender}: Twilio's log was last read to its end {last}.", advice)
    if is_incomplete:
        found = f"{missing} missing in the part that was read" if missing else "only a part was read"
        return warning(f"{sender}: incomplete, {found}; last read to its end {last}.", advice)
    return ok(f"{sender}: compared {last}, {missing} missing then.")


def _sign_of_life(db: psycopg.Connection[Any], duty: str, patient: Patient) -> tuple[bool, str]:
    row = db.execute(SIGN_OF_LIFE, [duty]).fetchone()
    if row is None:
        return False, "there never was a sign of life"
    process, seconds = row
    return seconds <= STALE_AFTER_SECONDS, f"last sign of life {_time(max(seconds, 0))} ago, from {process}"


def _not_running(told: str, patient: Patient) -> Finding:
    return failed(
        f"Not running: {told}.", f"Start Relais by bin/up; if it runs already, read {patient.log}/jobs.log."
    )


def _one(db: psycopg.Connection[Any], query: str, *parameters: object) -> Any:
    return db.execute(query, parameters or None).fetchone()


def _time(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
