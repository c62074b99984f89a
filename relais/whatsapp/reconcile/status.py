"""The reconciliation status, for the dashboard, the page « État », the doctor and the metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from relais.whatsapp.models import COUNT_FIELDS, TOTAL_FIELDS, LogReconciliation

LATE_AFTER, STALE_AFTER = timedelta(minutes=5), timedelta(minutes=15)
"""Time since the last poll that succeeded."""


def is_connected() -> bool:
    environment = settings.ENVIRONMENT
    return bool(environment.whatsapp_number and environment.twilio_account_sid)


@dataclass(frozen=True)
class ReconciliationStatus:
    """Of several numbers: the worst level, and the sums of the counters."""

    last_ok_at: datetime | None
    """When the log was last compared to the end; None when it never was."""
    completed_until: datetime | None
    missing: int
    left: int
    foreign: int
    recovered: int
    statuses: int
    overheard: int
    error: str
    """French: why the last poll did not read the log to the end; empty when each poll did."""
    is_called: bool
    """Whether Twilio is known to deliver messages by hooks."""
    level: str
    """`good`, `attention` when late, `danger` when stale."""
    compared: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether the last polls read the log to the end. Otherwise `missing` covers a part and 0 means nothing."""
        return self.last_ok_at is not None and not self.error


def reconciliation_status(*, at: datetime) -> ReconciliationStatus | None:
    """None when no account is connected."""
    if not is_connected():
        return None
    rows = list(LogReconciliation.objects.filter(account=settings.ENVIRONMENT.twilio_account_sid))
    ok_times = [row.last_ok_at for row in rows]
    last_ok_at = min((time for time in ok_times if time), default=None) if all(ok_times) else None
    since = last_ok_at or min((row.connected_at for row in rows), default=at)
    return ReconciliationStatus(
        last_ok_at=last_ok_at,
        completed_until=min((row.completed_until for row in rows if row.completed_until), default=None),
        error=next((error for row in rows if (error := row.last_error or row.back_error)), ""),
        is_called=any(row.called_at for row in rows),
        level="good" if at - since < LATE_AFTER else "attention" if at - since < STALE_AFTER else "danger",
        **{name: sum(getattr(row, name) for row in rows) for name in (*COUNT_FIELDS, *TOTAL_FIELDS)},
    )
