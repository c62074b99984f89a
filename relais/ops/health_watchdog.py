"""Asks `/api/health` for the supervisor and says which child to restart because its health stays bad.

Standard library only, and never blocking: the supervisor has one thread, and signals to attend to.
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
FORGIVEN_AFTER_SECONDS = 600.0
"""Well for so long, a child is restarted as soon as the first time again."""

Health: TypeAlias = dict[str, str]
NO_ANSWER: Health = {"web": "no answer"}


class HealthProbe:
    """One question, asked step by step."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._until = time.monotonic() + PROBE_TIMEOUT_SECONDS
        self._received = b""
        self._socket = socket.create_connection(address, timeout=0.5)
        self._socket.sendall(b"GET /api/health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        self._socket.setblocking(False)

    def result(self) -> Health | None:
        """None until there is one."""
        try:
            while select.select([self._socket], [], [], 0)[0]:
                piece = self._socket.recv(4096)
                self._received += piece
                if not piece or len(self._received) > MAX_RESPONSE_BYTES:
                    return parsed(self._received)
        except OSError:
            return NO_ANSWER
        return None if time.monotonic() < self._until else NO_ANSWER

    def close(self) -> None:
        self._socket.close()


def parsed(response: bytes) -> Health:
    """The parts of the answer; none where another part of web, such as one that sheds load, answered."""
    if not response:
        return NO_ANSWER
    head, _, body = response.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] == [b"200"]:
        return {}
    with suppress(ValueError, AttributeError):
        return {str(name): str(state) for name, state in json.loads(body).items()}
    return {}


def ill_children(health: Health) -> dict[str, str]:
    """The children at fault and why; nobody while the database is away, for which no restart helps.

    A queue that is `late` makes progress: a restart would only hold it up.
    """
    if health.get("database", "ok") != "ok":
        return {}
    ill = {}
    if health.get("web") == NO_ANSWER["web"]:
        ill["web"] = "/api/health is not answered"
    if health.get("live") == "deaf":
        ill["web"] = "live is deaf"
    if health.get("sender") == "silent":
        ill["jobs"] = "the sender is silent"
    if health.get("jobs") in ("silent", "stuck"):
        ill["jobs"] = f"jobs is {health['jobs']}"
    return ill


class HealthWatch:
    """Decides; the supervisor restarts."""

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
        self._ill_since: dict[str, float] = {}
        self._restarts: dict[str, int] = {}
        self._last_ill_at: dict[str, float] = {}

    def children_to_restart(self) -> dict[str, str]:
        """By name, and why. Ask every second or so; each child is named once and then has time to get well."""
        health = self._latest()
        return {} if health is None else self._judged(ill_children(health))

    def reset(self) -> None:
        """Nobody was ill: what happened had a reason that no restart removes."""
        self._ill_since.clear()

    def _latest(self) -> Health | None:
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

    def _judged(self, ill: dict[str, str]) -> dict[str, str]:
        now, restart = self._clock(), {}
        self._ill_since = {child: self._ill_since.get(child, now) for child in ill}
        for child, why in ill.items():
            if now - self._last_ill_at.get(child, now) > FORGIVEN_AFTER_SECONDS:
                self._restarts.pop(child, None)
            self._last_ill_at[child] = now
            ill_for = now - self._ill_since[child]
            if ill_for >= self._patience(child, why):
                restart[child] = f"{why} for {ill_for:.0f} s"
                self._restarts[child] = self._restarts.get(child, 0) + 1
                del self._ill_since[child]
        return restart

    def _patience(self, child: str, why: str) -> float:
        """Twice as long after each restart that did not help, so that there is never a storm of them."""
        first = self._restart_after
        if why == "/api/health is not answered":
            first *= NO_ANSWER_RESTART_AFTER_SECONDS / RESTART_AFTER_SECONDS
        return min(first * 2.0 ** min(self._restarts.get(child, 0), 10), MAX_RESTART_AFTER_SECONDS)
