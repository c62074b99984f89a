"""What pages report of agents who write, in the web process: at most every 20 seconds it becomes a job.

Nothing here may fail visibly: the client only does not see that somebody writes.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

from django.utils import timezone

from relais.company.company_settings import TYPING_INDICATOR, get_value
from relais.db_connection import releasing_connection
from relais.whatsapp import tasks
from relais.whatsapp.models import MIN_TYPING_INTERVAL

log = logging.getLogger(__name__)
WRITING = "write"
"""The activity that `presence.js` reports while its reader writes to the client, and not a note."""
MAX_REMEMBERED = 1_000


class TypingReports:
    def __init__(self) -> None:
        self._reported_at: dict[tuple[int, int], float] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="typing")

    def on_activity(self, user_id: int, conversation_id: int, activity: str) -> None:
        """Called for each report of each page, on the event loop."""
        if activity == WRITING and self._is_due((conversation_id, user_id), time.monotonic()):
            self._thread.submit(_request, user_id, conversation_id)

    def _is_due(self, key: tuple[int, int], now: float) -> bool:
        interval = MIN_TYPING_INTERVAL.total_seconds()
        if now - self._reported_at.get(key, now - interval) < interval:
            return False
        if len(self._reported_at) >= MAX_REMEMBERED:
            recent = {key: at for key, at in self._reported_at.items() if now - at < interval}
            self._reported_at = recent if len(recent) < MAX_REMEMBERED else {}
        self._reported_at[key] = now
        return True


def _request(user_id: int, conversation_id: int) -> None:
    try:
        with releasing_connection():
            if get_value(TYPING_INDICATOR):
                tasks.show_typing.defer(
                    conversation_id=conversation_id,
                    user_id=user_id,
                    reported_at=timezone.now().isoformat(),
                )
    except Exception:
        log.info("typing was not reported", exc_info=True)
