"""The data of one run of the status checks: each query runs lazily and at most once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from relais.ops.health import STALE_AFTER_SECONDS
from relais.ops.job_progress import JobProgress
from relais.ops.status_queries import Outbox
from relais.ops.watch import queries
from relais.ops.watch.queries import EventCount, FailedJobs, JobCounts
from relais.web.templatetags.relais import duration
from relais.web.times import format_seconds
from relais.whatsapp import connection_status

FIVE_MINUTES, FIFTEEN_MINUTES = timedelta(minutes=5), timedelta(minutes=15)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class StatusSnapshot:
    at: datetime
    _events: dict[timedelta, dict[str, EventCount]] = field(default_factory=dict)
    """By time window, then by name."""

    @cached_property
    def outbox(self) -> Outbox:
        return queries.outbox()

    @cached_property
    def heartbeats(self) -> dict[str, datetime]:
        return queries.heartbeats()

    @cached_property
    def job_counts(self) -> JobCounts:
        """Of all tasks together."""
        counts = queries.job_counts().values()
        return JobCounts(
            waiting=sum(task.waiting for task in counts),
            doing=sum(task.doing for task in counts),
            failed=sum(task.failed for task in counts),
        )

    @cached_property
    def job_progress(self) -> JobProgress:
        return queries.job_progress()

    @cached_property
    def last_inbound_at(self) -> datetime | None:
        at: datetime | None = connection_status.summary()["last_inbound_at"]
        return at

    @cached_property
    def failed_jobs(self) -> FailedJobs:
        return queries.failed_jobs()

    def count_events(self, window: timedelta, *prefixes: str, suffix: str = "") -> EventCount:
        """The events of all processes whose name matches; names are those of `metrics_store.tallied_counters`."""
        matching = [
            event
            for name, event in self._events_within(window).items()
            if name.startswith(prefixes) and name.endswith(suffix)
        ]
        last_at = max((event.last_at for event in matching if event.last_at), default=None)
        return EventCount(sum(event.count for event in matching), last_at)

    def rejection_codes(self, window: timedelta) -> dict[str, int]:
        """The number of messages that Twilio rejected by error code, the most frequent first."""
        counts = {
            name.rpartition(" ")[2]: event.count
            for name, event in self._events_within(window).items()
            if name.startswith("sends refused ")
        }
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def stale_heartbeat_age(self, name: str) -> timedelta | None:
        """None while the heartbeat is fresh, `timedelta.max` when there never was one."""
        last_at = self.heartbeats.get(name)
        age = self.at - last_at if last_at else timedelta.max
        return age if age > timedelta(seconds=STALE_AFTER_SECONDS) else None

    def format_age(self, moment: datetime | None) -> str:
        """Such as « 42 s » or « 3 min »."""
        if moment is None:
            return ""
        age = self.at - moment
        return format_seconds(age.total_seconds()) if age < timedelta(minutes=1) else duration(age)

    def _events_within(self, window: timedelta) -> dict[str, EventCount]:
        if window not in self._events:
            self._events[window] = queries.event_counts(self.at - window)
        return self._events[window]
