"""The send rate limit: all that the rate allows, however late the polls, and in no second more than 5 % above it."""

import random
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relais.conversations.send_rate_limit import RateLimit, SendBudget


class Bucket:
    """The row of a number, polled at moments that the test chooses."""

    def __init__(self, rate, *, tokens=0.0):
        self.limit = RateLimit(rate)
        self.state = {"tokens": tokens, "counted_at": 0.0, "recent": []}

    def poll(self, at, *, queued=10**6):
        """How many are sent, and the seconds until the next poll is useful."""
        budget = SendBudget.refilled(self.limit, at=at, **self.state)
        number = min(queued, budget.available)
        if number:
            budget.spend(number)
            self.state = {"tokens": budget.tokens, "counted_at": at, "recent": budget.recent}
        return number, budget.seconds_until(max(1, min(4, int(self.limit.burst / 2))))


def sent(bucket, *, seconds, delay):
    """When each is sent, with a full outbox and each poll `delay()` seconds late."""
    moments, at = [], 0.0
    while at < seconds:
        number, wait = bucket.poll(at)
        moments += [at] * number
        at += max(0.005, wait) + delay()
    return moments


def most_in_any_second(moments):
    """Moments are in order."""
    return max(bisect_left(moments, begin + 1) - index for index, begin in enumerate(moments))


@pytest.mark.parametrize(("rate", "least"), [(80, 79.5), (5, 4.95), (1, 0.98), (400, 397)])
def test_the_whole_rate_is_used_although_polls_are_a_little_late(rate, least):
    chance = random.Random(1)
    moments = sent(Bucket(rate), seconds=60, delay=lambda: chance.uniform(0, 0.01))
    assert least <= len(moments) / 60 <= rate * 1.005
    assert most_in_any_second(moments) <= rate * 1.05


@pytest.mark.parametrize("rate", [80, 400])
def test_delays_of_a_busy_machine_are_made_up_for(rate):
    """Each poll 0 to 60 ms late: longer than the refill of the tokens waited for."""
    chance = random.Random(2)
    moments = sent(Bucket(rate), seconds=60, delay=lambda: chance.uniform(0, 0.06))
    assert len(moments) / 60 >= rate * 0.99
    assert most_in_any_second(moments) <= rate * 1.05


@pytest.mark.parametrize("rate", [1, 5, 80, 400])
def test_after_a_pause_no_second_exceeds_the_rate(rate):
    bucket = Bucket(rate, tokens=10**6)
    moments = sent(bucket, seconds=3, delay=lambda: 0.001)
    assert most_in_any_second(moments) <= max(1, rate * 1.05)
    assert len([each for each in moments if each == 0]) == min(
        max(1, int(rate * 1.05)), int(bucket.limit.burst)
    )


@settings(deadline=None)
@given(
    rate=st.floats(1, 1000),
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=40),
    queued=st.lists(st.integers(0, 200), min_size=40, max_size=40),
)
def test_at_any_poll_times_no_second_exceeds_the_rate(rate, gaps, queued):
    bucket, at, moments = Bucket(rate), 0.0, []
    for gap, number in zip(gaps, queued, strict=False):
        at += gap
        moments += [at] * bucket.poll(at, queued=number)[0]
    assert not moments or most_in_any_second(moments) <= max(1, rate * 1.05)


@settings(deadline=None)
@given(rate=st.floats(1, 1000), tokens=st.floats(-50, 50), number=st.integers(1, 300))
def test_after_the_wait_so_many_may_be_sent(rate, tokens, number):
    bucket = Bucket(rate, tokens=tokens)
    bucket.poll(0.0)
    budget = SendBudget.refilled(bucket.limit, at=0.0, **bucket.state)
    later = SendBudget.refilled(bucket.limit, at=budget.seconds_until(number) + 1e-6, **bucket.state)
    assert later.available >= min(number, int(bucket.limit.burst), bucket.limit.max_per_window)


def test_a_state_from_before_the_clock_was_set_back_is_ignored():
    budget = SendBudget.refilled(
        RateLimit(80), at=1000.0, tokens=-5.0, counted_at=5000.0, recent=[[4999.5, 84]]
    )
    assert (budget.available, budget.recent) == (12, [])
