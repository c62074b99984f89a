"""The failure limiter: which clients share a count, when a window starts, and which addresses are trusted."""

import pytest

from relais.accounts.client_network import network_of
from relais.whatsapp.inbound.auth_throttle import FailureLimiter

STRANGER = "203.0.113.7"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limiter(clock):
    return FailureLimiter(3, window_seconds=60, clock=clock)


def record_failures(limiter, times, host=STRANGER):
    for _ in range(times):
        limiter.record_failure(host)


def test_failures_of_one_address_reach_the_limit(limiter):
    record_failures(limiter, 2)
    assert not limiter.is_exceeded(STRANGER)
    record_failures(limiter, 1)
    assert limiter.is_exceeded(STRANGER)
    assert not limiter.is_exceeded("203.0.113.8")


def test_a_new_window_starts_at_zero(limiter, clock):
    record_failures(limiter, 3)
    clock.now += 60
    assert not limiter.is_exceeded(STRANGER)
    record_failures(limiter, 1)
    assert not limiter.is_exceeded(STRANGER)


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_client_is_counted_by_its_network(host, key):
    assert network_of(host) == key


def test_an_address_is_trusted_for_a_day_by_a_success(limiter, clock):
    assert not limiter.is_trusted(STRANGER)
    limiter.record_success(STRANGER)
    assert limiter.is_trusted(STRANGER)
    clock.now += 86_400
    assert not limiter.is_trusted(STRANGER)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", ""])
def test_a_local_proxy_is_trusted_since_it_may_stand_for_any_client(limiter, host):
    assert limiter.is_trusted(host)


def test_the_number_of_remembered_addresses_is_bounded(limiter, monkeypatch):
    monkeypatch.setattr("relais.whatsapp.inbound.auth_throttle.MAX_ADDRESSES", 2)
    record_failures(limiter, 3)
    for host in ("198.51.100.1", "198.51.100.2"):
        record_failures(limiter, 1, host)
    assert not limiter.is_exceeded(STRANGER)
