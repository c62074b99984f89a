"""How many refused calls an address may make; what is rightly signed is never counted here."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

WINDOW_SECONDS = 300.0
MAX_ADDRESSES = 10_000
PROVEN_SECONDS = 86_400.0
IPV6_PREFIX = 64
Kept = TypeVar("Kept")


def address_key(host: str) -> str:
    """What one client is counted by: an IPv4 address, or the /64 network that one IPv6 client has to itself."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> IPV6_PREFIX << IPV6_PREFIX)}/{IPV6_PREFIX}"


def is_loopback(host: str) -> bool:
    """Whether a program on this machine calls, or a proxy on it that does not say for whom."""
    try:
        address = ip_address(host)
    except ValueError:
        return True  # A socket file has no address.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


class FailureLimiter:
    """Counts failures by client address in windows of a fixed length, and remembers who succeeded lately.

    For one event loop: nothing here is locked.
    """

    def __init__(
        self, limit: int, *, seconds: float = WINDOW_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = limit
        self.seconds = seconds
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._successes: OrderedDict[str, float] = OrderedDict()

    def failed(self, host: str) -> None:
        key, now = address_key(host), self._clock()
        since, count = self._failures.get(key, (now, 0))
        if now - since >= self.seconds:
            since, count = now, 0
        _keep(self._failures, key, (since, count + 1))

    def succeeded(self, host: str) -> None:
        _keep(self._successes, address_key(host), self._clock())

    def is_exceeded(self, host: str) -> bool:
        since, count = self._failures.get(address_key(host), (0.0, 0))
        return count >= self.limit and self._clock() - since < self.seconds

    def is_proven(self, host: str) -> bool:
        """Whether somebody with the right to call did so from here within a day, or may have: an address that many
        share must not be closed to all of them for what one does."""
        at = self._successes.get(address_key(host))
        return is_loopback(host) or (at is not None and self._clock() - at < PROVEN_SECONDS)

    def forget_all(self) -> None:
        self._failures.clear()
        self._successes.clear()


def _keep(kept: OrderedDict[str, Kept], key: str, value: Kept) -> None:
    """The most recent addresses only, however many there are."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MAX_ADDRESSES:
        kept.popitem(last=False)
