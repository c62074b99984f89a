"""Gauges of `/metrics` that are read at each scrape: queued messages and jobs, heartbeats, reconciliation, disk.

Counters that a process increments are in the `metrics.py` of their room.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.utils import timezone
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from relais.content_templates.models import TemplateSync
from relais.ops.job_progress import JobProgress, periodic_intervals
from relais.ops.watch import queries
from relais.whatsapp.reconcile.status import reconciliation_status


def database_metrics() -> Iterator[Metric]:
    now = timezone.now()
    outbox = queries.outbox()
    age = (now - outbox.oldest_at).total_seconds() if outbox.oldest_at else 0.0
    yield GaugeMetricFamily("relais_outbox_messages", "Messages in the outbox.", value=outbox.waiting)
    yield GaugeMetricFamily(
        "relais_outbox_oldest_seconds", "Age of the oldest message in the outbox.", value=max(0.0, age)
    )
    yield GaugeMetricFamily(
        "relais_outbox_uncertain_messages", "Messages whose outcome is unknown.", value=outbox.uncertain
    )
    scheduled = queries.scheduled_messages()
    late = (now - scheduled.oldest_late_at).total_seconds() if scheduled.oldest_late_at else 0.0
    yield GaugeMetricFamily(
        "relais_scheduled_messages", "Messages that will leave later.", value=scheduled.waiting
    )
    yield GaugeMetricFamily(
        "relais_scheduled_late_seconds",
        "Time since the oldest of them should have left.",
        value=max(0.0, late),
    )
    heartbeats = GaugeMetricFamily(
        "relais_heartbeat_age_seconds", "Time since the last heartbeat.", labels=["duty"]
    )
    for name, at in queries.heartbeats().items():
        heartbeats.add_metric([name], (now - at).total_seconds())
    yield heartbeats
    jobs = GaugeMetricFamily("relais_jobs", "Jobs that are due, running or failed.", labels=["task", "state"])
    for task, counts in queries.job_counts().items():
        for state in ("waiting", "doing", "failed"):
            jobs.add_metric([task, state], getattr(counts, state))
    yield jobs
    yield from job_progress_metrics(queries.job_progress())
    yield from reconciliation_metrics(now)
    if read_at := TemplateSync.current().succeeded_at:
        yield GaugeMetricFamily(
            "relais_template_sync_age_seconds",
            "Time since the account's message templates were last read.",
            value=max(0.0, (now - read_at).total_seconds()),
        )
    server = queries.server_status()
    yield GaugeMetricFamily(
        "relais_database_connections", "Open connections of the server.", value=server.connections
    )
    yield GaugeMetricFamily(
        "relais_database_connections_max", "The server's max_connections.", value=server.max_connections
    )


def job_progress_metrics(progress: JobProgress) -> Iterator[Metric]:
    intervals = periodic_intervals()
    ages = GaugeMetricFamily(
        "relais_periodic_job_age_seconds", "Time since a periodic job last succeeded.", labels=["task"]
    )
    overdue = GaugeMetricFamily(
        "relais_periodic_job_overdue", "1 when it missed three of its intervals.", labels=["task"]
    )
    for task in intervals:
        if (age := progress.completed.get(f"task {task}")) is not None:
            ages.add_metric([task], age)
        overdue.add_metric([task], float(task in progress.overdue(intervals)))
    oldest = GaugeMetricFamily(
        "relais_queue_oldest_ready_seconds", "Wait of the oldest job that is ready.", labels=["queue"]
    )
    for queue, age in progress.ready.items():
        oldest.add_metric([queue], age)
    yield from (ages, overdue, oldest)


def reconciliation_metrics(now: datetime) -> Iterator[Metric]:
    """Reconciliation of our messages with Twilio's message log."""
    status = reconciliation_status(at=now)
    if status is None:
        return
    if status.last_ok_at:
        age = (now - status.last_ok_at).total_seconds()
        yield GaugeMetricFamily(
            "relais_reconciliation_age_seconds", "Time since the log was last reconciled.", value=age
        )
    yield GaugeMetricFamily(
        "relais_reconciliation_complete",
        "1 when the last polls read the log to its end.",
        value=int(status.is_complete),
    )
    if status.is_complete:
        # After a partial read, 0 would claim that nothing is missing, which is not known.
        yield GaugeMetricFamily(
            "relais_reconciliation_missing", "Messages that were missing then.", value=status.missing
        )
    healed = CounterMetricFamily("relais_reconciliation_healed", "Gaps that were repaired.", labels=["what"])
    for what in ("recovered", "statuses", "overheard"):
        healed.add_metric([what], getattr(status, what))
    yield healed


def disk_metrics() -> Iterator[Metric]:
    folder = settings.ENVIRONMENT.data_dir
    disk = shutil.disk_usage(folder if folder.exists() else folder.parent)
    yield GaugeMetricFamily("relais_disk_free_bytes", "Free space for the data folder.", value=disk.free)
    yield GaugeMetricFamily("relais_disk_bytes", "Size of its file system.", value=disk.total)
