"""The supervisor's watchdog: polls `/api/health` and names the child to restart when its health stays bad.

Standard library only and non-blocking: the supervisor has one thread and must react to signals.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

PROBE_EVERY_SECONDS = 5.0
PROBE_TIMEOUT_SECONDS = 10.0
MAX_RESPONSE_BYTES = 65_536
RESTART_AFTER_SECONDS = 60.0
NO_ANSWER_RESTART_AFTER_SECONDS = 120.0
MAX_RESTART_AFTER_SECONDS = 3600.0
RESET_BACKOFF_AFTER_SECONDS = 600.0
"""Healthy for so long, a child's restart delay starts again from the first."""

Health: TypeAlias = dict[str, str]
NO_ANSWER: Health = {"web": "no answer"}
NO_ANSWER_REASON = "/api/health is not answered"


class HealthProbe:
    """One non-blocking GET of `/api/health`."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._deadline = time.monotonic() + PROBE_TIMEOUT_SECONDS
        self._received = b""
        self._socket = socket.create_connection(address, timeout=0.5)
        self._socket.sendall(b"GET /api/health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        self._socket.setblocking(False)

    def result(self) -> Health | None:
        """None while the response is incomplete."""
        try:
            while select.select([self._socket], [], [], 0)[0]:
                chunk = self._socket.recv(4096)
                self._received += chunk
                if not chunk or len(self._received) > MAX_RESPONSE_BYTES:
                    return parse_health(self._received)
        except OSError:
            return NO_ANSWER
        return None if time.monotonic() < self._deadline else NO_ANSWER

    def close(self) -> None:
        self._socket.close()


def parse_health(response: bytes) -> Health:
    """The parts and their states; empty when the response is not the health check's, such as one that sheds load."""
    if not response:
        return NO_ANSWER
    head, _, body = response.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] == [b"200"]:
        return {}
    with suppress(ValueError, AttributeError):
        return {str(name): str(state) for name, state in json.loads(body).items()}
    return {}


def unhealthy_children(health: Health) -> dict[str, str]:
    """The unhealthy children and why. Empty while the database is down, since a restart does not help then.

    A queue that is `late` makes progress: a restart would only delay it.
    """
    if health.get("database", "ok") != "ok":
        return {}
    unhealthy = {}
    if health.get("web") == NO_ANSWER["web"]:
        unhealthy["web"] = NO_ANSWER_REASON
    if health.get("live") == "not_listening":
        unhealthy["web"] = "live is not_listening"
    if health.get("sender") == "stale":
        unhealthy["jobs"] = "the sender is stale"
    if health.get("jobs") in ("stale", "stuck"):
        unhealthy["jobs"] = f"jobs is {health['jobs']}"
    return unhealthy


class HealthWatchdog:
    """Decides who is to be restarted; the supervisor restarts."""

    def __init__(
        self,
        probe: Callable[[], HealthProbe],
        *,
        restart_after: float = RESTART_AFTER_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._new_probe = probe
        self._probe: HealthProbe | None = None
        self._next_probe_at = 0.0
        self._restart_after = restart_after
        self._clock = clock
        self._unhealthy_since: dict[str, float] = {}
        self._restarts: dict[str, int] = {}
        self._last_unhealthy_at: dict[str, float] = {}

    def children_to_restart(self) -> dict[str, str]:
        """Names and reasons. Call it about every second; a named child is not named again before its backoff ends."""
        health = self._poll()
        return {} if health is None else self._due_restarts(unhealthy_children(health))

    def reset(self) -> None:
        """Forget who was unhealthy: the cause is one that a restart does not remove."""
        self._unhealthy_since.clear()

    def _poll(self) -> Health | None:
        if self._probe is None:
            if self._clock() < self._next_probe_at:
                return None
            self._next_probe_at = self._clock() + PROBE_EVERY_SECONDS
            try:
                self._probe = self._new_probe()
            except OSError:
                return NO_ANSWER
        health = self._probe.result()
        if health is not None:
            self._probe.close()
            self._probe = None
        return health

    def _due_restarts(self, unhealthy: dict[str, str]) -> dict[str, str]:
        now, restart = self._clock(), {}
        self._unhealthy_since = {child: self._unhealthy_since.get(child, now) for child in unhealthy}
        for child, reason in unhealthy.items():
            if now - self._last_unhealthy_at.get(child, now) > RESET_BACKOFF_AFTER_SECONDS:
                self._restarts.pop(child, None)
            self._last_unhealthy_at[child] = now
            seconds = now - self._unhealthy_since[child]
            if seconds >= self._restart_delay(child, reason):
                restart[child] = f"{reason} for {seconds:.0f} s"
                self._restarts[child] = self._restarts.get(child, 0) + 1
                del self._unhealthy_since[child]
        return restart

    def _restart_delay(self, child: str, reason: str) -> float:
        """Exponential backoff: twice as long after each restart that did not help."""
        first = self._restart_after
        if reason == NO_ANSWER_REASON:
            first *= NO_ANSWER_RESTART_AFTER_SECONDS / RESTART_AFTER_SECONDS
        return min(first * 2.0 ** min(self._restarts.get(child, 0), 10), MAX_RESTART_AFTER_SECONDS)
