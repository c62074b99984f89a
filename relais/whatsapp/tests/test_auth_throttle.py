"""Failures by address: who shares a count, when it starts anew, and who is never locked out."""

import pytest

from relais.whatsapp.inbound.auth_throttle import FailureLimiter, address_key

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


def fails(limiter, times, host=STRANGER):
    for _ in range(times):
        limiter.record_failure(host)


def test_the_limit_is_reached_by_failures_of_one_address(limiter):
    fails(limiter, 2)
    assert not limiter.is_exceeded(STRANGER)
    fails(limiter, 1)
    assert limiter.is_exceeded(STRANGER)
    assert not limiter.is_exceeded("203.0.113.8")


def test_a_new_window_begins_from_nothing(limiter, clock):
    fails(limiter, 3)
    clock.now += 60
    assert not limiter.is_exceeded(STRANGER)
    fails(limiter, 1)
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
    assert address_key(host) == key


def test_an_address_is_trusted_for_a_day_by_a_success(limiter, clock):
    assert not limiter.is_trusted(STRANGER)
    limiter.record_success(STRANGER)
    assert limiter.is_trusted(STRANGER)
    clock.now += 86_400
    assert not limiter.is_trusted(STRANGER)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", ""])
def test_a_proxy_that_names_nobody_may_stand_for_anybody(limiter, host):
    assert limiter.is_trusted(host)


def test_only_so_many_addresses_are_remembered(limiter, monkeypatch):
    monkeypatch.setattr("relais.whatsapp.inbound.auth_throttle.MAX_ADDRESSES", 2)
    fails(limiter, 3)
    for host in ("198.51.100.1", "198.51.100.2"):
        fails(limiter, 1, host)
    assert not limiter.is_exceeded(STRANGER)
