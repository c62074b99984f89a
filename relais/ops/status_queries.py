"""The queries that the doctor and the status page share: outbox, failed jobs, heartbeats.

The SQL runs on a Django connection and on a plain psycopg connection alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SELECT_OUTBOX = """
select state, count(*), min(created_at), max(extract(epoch from now() - created_at))::float,
  count(*) filter (where created_at > now() - interval '1 day')
from message_deliveries where state in ('queued', 'sending', 'uncertain') group by state
"""
"""Uses the index of undecided deliveries: the cost does not grow with the number of messages."""
SELECT_FAILED_JOBS = """
select job.task_name, count(distinct job.id), max(event.at)
from procrastinate_jobs job join procrastinate_events event on event.job_id = job.id and event.type = 'failed'
where job.status = 'failed' and event.at > now() - make_interval(secs => %s)
group by job.task_name order by 2 desc, 1
"""
SELECT_HEARTBEATS = "select name, at, process, extract(epoch from now() - at)::float from heartbeats"


@dataclass(frozen=True)
class Outbox:
    waiting: int
    oldest_at: datetime | None
    oldest_seconds: float
    """Age by the clock of the database; 0 when nothing waits."""
    uncertain: int
    uncertain_within_a_day: int

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[Any, ...]]) -> Outbox:
        """From the rows of SELECT_OUTBOX."""
        by_state = {state: values for state, *values in rows}
        waiting = [by_state[state] for state in ("queued", "sending") if state in by_state]
        uncertain, _, _, within_a_day = by_state.get("uncertain", (0, None, 0.0, 0))
        return cls(
            waiting=sum(count for count, *_ in waiting),
            oldest_at=min((oldest_at for _, oldest_at, *_ in waiting), default=None),
            oldest_seconds=max((seconds for _, _, seconds, _ in waiting), default=0.0),
            uncertain=uncertain,
            uncertain_within_a_day=within_a_day,
        )
