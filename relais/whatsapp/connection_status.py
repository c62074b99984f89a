"""How the door to Twilio is doing, for admins."""

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
LOG_EVERY, DAY = 60.0, 86_400.0
LATEST = 1_000
"""Outgoing messages of whose fate we look for the latest word."""


class _Refusals:
    """Calls refused for their signature, counted since this process began and logged once a minute."""

    def __init__(self) -> None:
        self.count = 0
        self.at: float | None = None
        self._logged = 0
        self._logged_at = float("-inf")
        self._lock = threading.Lock()

    def lately(self) -> int:
        """How many, while the last one is not a day old."""
        with self._lock:
            return self.count if self.at and time.time() - self.at < DAY else 0

    def add(self, path: str) -> None:
        with self._lock:
            self.count += 1
            self.at = time.time()
            if time.monotonic() - self._logged_at >= LOG_EVERY:
                log.warning(
                    "signatures refused", extra={"count": self.count - self._logged, "last_path": path}
                )
                self._logged, self._logged_at = self.count, time.monotonic()


refusals = _Refusals()


def refused_signature(path: str) -> None:
    metrics.signature_refused(path)
    refusals.add(path)


def summary() -> dict[str, Any]:
    environment = settings.ENVIRONMENT
    return {
        "connected": bool(environment.twilio_account_sid and environment.twilio_auth_token),
        "sender": environment.whatsapp_number,
        "base_url": environment.public_base_url,
        "bot": environment.bot,
        "refused_signatures": refusals.lately(),
        "last_inbound_at": _last_inbound_at(),
        "last_status_at": _last_status_at(),
    }


def _last_inbound_at() -> datetime | None:
    """Found at the end of the history: no table is read through for it."""
    events = ConversationEvent.objects.filter(event_type="message_received").order_by("-pk")
    return events.values_list("created_at", flat=True).first()


def _last_status_at() -> datetime | None:
    """Among the latest messages; what is told of an older one later on is not worth reading all of them."""
    told = [F(name) for name in ("sent_at", "delivered_at", "read_at", "failed_at")]
    latest = MessageDelivery.objects.order_by("-pk").annotate(told=Greatest(*told))[:LATEST]
    at: datetime | None = latest.aggregate(at=Max("told"))["at"]
    return at
