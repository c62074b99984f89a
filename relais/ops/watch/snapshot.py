"""All that is asked to say how things are, each thing at most once, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from relais.ops.health import STALE_AFTER_SECONDS
from relais.ops.job_progress import JobProgress
from relais.ops.watch import queries
from relais.ops.watch.queries import Counted, FailedJobs, Jobs, Outbox
from relais.web.templatetags.relais import duration
from relais.whatsapp import connection_status

FIVE_MINUTES, LATELY = timedelta(minutes=5), timedelta(minutes=15)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Look:
    """One look, at one moment."""

    at: datetime
    _since: dict[timedelta, dict[str, Counted]] = field(default_factory=dict)

    @cached_property
    def outbox(self) -> Outbox:
        return queries.outbox()

    @cached_property
    def beats(self) -> dict[str, datetime]:
        return queries.beats()

    @cached_property
    def jobs(self) -> Jobs:
        found = queries.jobs().values()
        return Jobs(*(sum(getattr(each, name) for each in found) for name in ("waiting", "doing", "failed")))

    @cached_property
    def progress(self) -> JobProgress:
        return queries.progress()

    @cached_property
    def last_inbound_at(self) -> datetime | None:
        at: datetime | None = connection_status.summary()["last_inbound_at"]
        return at

    @cached_property
    def failed_jobs(self) -> FailedJobs:
        return queries.failed_jobs(self.at - DAY)

    def happened(self, within: timedelta, *beginnings: str, ending: str = "") -> Counted:
        """How often, in all processes, and when last; the names are those of `keeping.counted`."""
        if within not in self._since:
            self._since[within] = queries.tallies(self.at - within)
        found = [
            counted
            for name, counted in self._since[within].items()
            if name.startswith(beginnings) and name.endswith(ending)
        ]
        last = max((counted.last_at for counted in found if counted.last_at), default=None)
        return Counted(sum(counted.count for counted in found), last)

    def codes(self, within: timedelta) -> dict[str, int]:
        """Twilio's codes of what it refused, the most frequent first."""
        self.happened(within)
        failed = {
            name.rpartition(" ")[2]: each.count
            for name, each in self._since[within].items()
            if name.startswith("sends refused ")
        }
        return dict(sorted(failed.items(), key=lambda item: -item[1]))

    def silence(self, duty: str) -> timedelta | None:
        """For how long it has shown no sign of life; None while it lives."""
        last = self.beats.get(duty)
        silent = self.at - last if last else timedelta.max
        return silent if silent > timedelta(seconds=STALE_AFTER_SECONDS) else None

    def ago(self, moment: datetime | None) -> str:
        if moment is None:
            return ""
        passed = self.at - moment
        return (
            f"{max(0, int(passed.total_seconds()))} s" if passed < timedelta(minutes=1) else duration(passed)
        )
