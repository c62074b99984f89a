"""The red light beside « État » on every page of an admin: asked often, so that it looks again only now and then."""

from __future__ import annotations

import threading
import time
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from relais.ops.watch.checks import Level, signs

KEPT = 5.0
"""Seconds that one look is good for, in this process."""


class Light:
    def __init__(self) -> None:
        self._red, self._until = False, 0.0
        self._lock = threading.Lock()

    def is_red(self) -> bool:
        with self._lock:
            if time.monotonic() >= self._until:
                self._red, self._until = _look(), time.monotonic() + KEPT
            return self._red

    def forget(self) -> None:
        self._until = 0.0


light = Light()


def _look() -> bool:
    try:
        return any(sign.level is Level.DANGER for sign in signs(timezone.now()))
    except (DatabaseError, InterfaceError):
        return True


def on_every_page(request: HttpRequest) -> dict[str, Any]:
    """A context processor; only the sidebar of an admin queries."""
    return {"light_is_red": SimpleLazyObject(light.is_red)}
