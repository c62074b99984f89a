"""Throttling of failed authentication: counts failures by client address. A rightly signed call is never counted."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from django.utils.translation import gettext_lazy as _

from relais.accounts.client_network import network_of

MAX_REJECTED_CALLS = 30
"""Rejected calls of one address per window, after which a call without plausible credentials is not even read."""
MAX_WRONG_CREDENTIALS = 100
"""Wrong secrets or tokens of one address per window. A widget with an outdated secret sends one per message."""
WINDOW_SECONDS = 300.0
TOO_MANY_FAILURES = _("Trop d'essais manqués. Attendez cinq minutes, puis réessayez.")
MAX_ADDRESSES = 10_000
TRUSTED_SECONDS = 86_400.0
"""After valid credentials."""
Value = TypeVar("Value")


def is_loopback(host: str) -> bool:
    """Whether the caller is a program on this machine, or a proxy on it that does not forward the client's address."""
    try:
        address = ip_address(host)
    except ValueError:
        return True  # A Unix socket has no address.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


class FailureLimiter:
    """A fixed-window rate limit on failures by client address, which also remembers recent successes.

    Used from one event loop only: nothing here is locked.
    """

    def __init__(
        self,
        limit: int,
        *,
        window_seconds: float = WINDOW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.window_seconds = window_seconds
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._successes: OrderedDict[str, float] = OrderedDict()

    def record_failure(self, host: str) -> None:
        key, now = network_of(host), self._clock()
        since, count = self._failures.get(key, (now, 0))
        if now - since >= self.window_seconds:
            since, count = now, 0
        _store_bounded(self._failures, key, (since, count + 1))

    def record_success(self, host: str) -> None:
        _store_bounded(self._successes, network_of(host), self._clock())

    def is_exceeded(self, host: str) -> bool:
        since, count = self._failures.get(network_of(host), (0.0, 0))
        return count >= self.limit and self._clock() - since < self.window_seconds

    def is_trusted(self, host: str) -> bool:
        """Whether valid credentials came from here within a day, or may have: an address that many clients share must
        not be blocked for all of them because of one."""
        at = self._successes.get(network_of(host))
        return is_loopback(host) or (at is not None and self._clock() - at < TRUSTED_SECONDS)

    def reset(self) -> None:
        self._failures.clear()
        self._successes.clear()


def _store_bounded(entries: OrderedDict[str, Value], key: str, value: Value) -> None:
    """The most recent addresses only, however many there are."""
    entries[key] = value
    entries.move_to_end(key)
    if len(entries) > MAX_ADDRESSES:
        entries.popitem(last=False)
