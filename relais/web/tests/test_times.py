"""Times in words."""

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from relais.web.times import format_time


@pytest.mark.parametrize(
    ("remaining", "shown"),
    [
        (timedelta(hours=23, minutes=59), "23 h"),
        (timedelta(hours=2, minutes=59), "2 h"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=1, minutes=59, seconds=59), "1 h 59"),
        (timedelta(minutes=9, seconds=30), "9 min"),
        (timedelta(seconds=59), "< 1 min"),
        (timedelta(seconds=-5), "< 1 min"),
    ],
)
def test_a_countdown_shows_hours_then_minutes(remaining, shown):
    now = timezone.now()
    with translation.override("fr"):
        assert format_time(now + remaining, "countdown", now=now) == shown
