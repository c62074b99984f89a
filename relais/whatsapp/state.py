"""How the door to Twilio is doing, for admins."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.db.models.functions import Greatest

from relais.conversations.models import Conversation, MessageDelivery

log = logging.getLogger(__name__)
LOG_EVERY = 60.0


class _Refusals:
    """Calls refused for their signature, counted since this process began and logged once a minute."""

    def __init__(self) -> None:
        self.count = 0
        self.at: float | None = None
        self._logged = 0
        self._logged_at = float("-inf")
        self._lock = threading.Lock()

    def add(self, path: str) -> None:
        with self._lock:
            self.count += 1
            self.at = time.time()
            if time.monotonic() - self._logged_at >= LOG_EVERY:
                log.warning(
                    "%d call(s) refused for their signature, the last on %s", self.count - self._logged, path
                )
                self._logged, self._logged_at = self.count, time.monotonic()


refusals = _Refusals()


def refused_signature(path: str) -> None:
    refusals.add(path)


def summary() -> dict[str, Any]:
    environment = settings.ENVIRONMENT
    told = [Max(name) for name in ("sent_at", "delivered_at", "read_at", "failed_at")]
    times = MessageDelivery.objects.aggregate(last_status_at=Greatest(*told))
    return {
        "connected": bool(environment.twilio_account_sid and environment.twilio_auth_token),
        "sender": environment.whatsapp_number,
        "base_url": environment.public_base_url,
        "bot": environment.bot,
        "refused_signatures": refusals.count,
        "last_inbound_at": Conversation.objects.aggregate(at=Max("last_inbound_at"))["at"],
        **times,
    }
