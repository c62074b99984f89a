"""The red badge beside « État » in the sidebar of an admin. Pages poll it, so its value is cached for some seconds."""

from __future__ import annotations

import threading
import time
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from relais.ops.watch.checks import Level, run_checks

CACHE_SECONDS = 5.0
"""How long one result is used in this process."""


class AlertBadge:
    def __init__(self) -> None:
        self._is_red, self._expires_at = False, 0.0
        self._lock = threading.Lock()

    def is_red(self) -> bool:
        with self._lock:
            if time.monotonic() >= self._expires_at:
                self._is_red, self._expires_at = _is_any_check_in_danger(), time.monotonic() + CACHE_SECONDS
            return self._is_red

    def clear_cache(self) -> None:
        self._expires_at = 0.0


alert_badge = AlertBadge()


def _is_any_check_in_danger() -> bool:
    try:
        return any(check.level is Level.DANGER for check in run_checks(timezone.now()))
    except (DatabaseError, InterfaceError):
        return True


def alert_badge_context(request: HttpRequest) -> dict[str, Any]:
    """Context processor. Lazy: only the sidebar of an admin runs the checks."""
    return {"alert_badge_is_red": SimpleLazyObject(alert_badge.is_red)}
