"""Status of the connection to Twilio, for administrators: configuration, rejected calls, time of the latest traffic."""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import F, Max
from django.db.models.functions import Greatest

from relais.conversations.models import ConversationEvent, MessageDelivery
from relais.whatsapp import metrics

log = logging.getLogger(__name__)
LOG_INTERVAL_SECONDS = 60.0
RECENT_SECONDS = 86_400.0
MAX_DELIVERIES_READ = 1_000
"""The newest outgoing messages, among which the latest status is searched."""


class RejectedSignatures:
    """Counts calls rejected for their signature since this process started, and logs them once a minute."""

    def __init__(self) -> None:
        self.count = 0
        self.last_at: float | None = None
        self._logged_count = 0
        self._logged_at = float("-inf")
        self._lock = threading.Lock()

    def recent_count(self) -> int:
        """The count, unless the last one is more than a day old."""
        with self._lock:
            return self.count if self.last_at and time.time() - self.last_at < RECENT_SECONDS else 0

    def add(self, path: str) -> None:
        with self._lock:
            self.count += 1
            self.last_at = time.time()
            if time.monotonic() - self._logged_at >= LOG_INTERVAL_SECONDS:
                new_count = self.count - self._logged_count
                log.warning("signatures refused", extra={"count": new_count, "last_path": path})
                self._logged_count, self._logged_at = self.count, time.monotonic()


rejected_signatures = RejectedSignatures()


def record_rejected_signature(path: str) -> None:
    metrics.count_rejected_signature(path)
    rejected_signatures.add(path)


def summary() -> dict[str, Any]:
    environment = settings.ENVIRONMENT
    return {
        "connected": bool(environment.twilio_account_sid and environment.twilio_auth_token),
        "sender": environment.whatsapp_number,
        "base_url": environment.public_base_url,
        "bot": environment.bot,
        "refused_signatures": rejected_signatures.recent_count(),
        "last_inbound_at": _last_inbound_at(),
        "last_status_at": _last_status_at(),
    }


def _last_inbound_at() -> datetime | None:
    """Read from the end of the primary key's index: no table scan."""
    events = ConversationEvent.objects.filter(event_type="message_received").order_by("-pk")
    return events.values_list("created_at", flat=True).first()


def _last_status_at() -> datetime | None:
    """Among the newest deliveries only: a late status of an older one is not worth a scan of the whole table."""
    times = [F(name) for name in ("sent_at", "delivered_at", "read_at", "failed_at")]
    newest = MessageDelivery.objects.order_by("-pk").annotate(status_at=Greatest(*times))[
        :MAX_DELIVERIES_READ
    ]
    latest: datetime | None = newest.aggregate(at=Max("status_at"))["at"]
    return latest
