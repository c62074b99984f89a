"""When a user is told, and by which channels."""

from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import IntegrityError

from relais.notifications.models import NotificationPreferences
from relais.notifications.notification_kinds import DEFAULT_CHANNELS, NotificationChannel, NotificationKind

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def at(hour, minute=0):
    return NOON.replace(hour=hour, minute=minute)


def own(user, **fields):
    return NotificationPreferences(user=user, time_zone="UTC", **fields)


def test_every_kind_has_defaults_and_the_queue_makes_no_sound():
    assert set(DEFAULT_CHANNELS) == set(NotificationKind)
    assert NotificationChannel.SOUND not in DEFAULT_CHANNELS[NotificationKind.WAITING]


def test_without_a_row_the_defaults_hold(awa):
    preferences = NotificationPreferences.of(awa)
    assert (
        preferences.channels_at(NotificationKind.TRANSFER, at=NOON)
        == DEFAULT_CHANNELS[NotificationKind.TRANSFER]
    )


def test_what_was_chosen_holds_and_a_new_kind_has_its_defaults(awa):
    own(awa, channels={"transfer": ["push", "telepathy"], "waiting": []}).save()
    preferences = NotificationPreferences.of(awa)
    assert preferences.chosen_channels(NotificationKind.TRANSFER) == {NotificationChannel.PUSH}
    assert preferences.chosen_channels(NotificationKind.WAITING) == frozenset()
    assert preferences.chosen_channels(NotificationKind.MENTION) == DEFAULT_CHANNELS[NotificationKind.MENTION]


@pytest.mark.parametrize(
    ("start", "end", "quiet", "loud"),
    [
        (time(12), time(14), [at(12), at(13, 59)], [at(11, 59), at(14)]),
        (time(22), time(7), [at(22), at(23, 59), at(0), at(6, 59)], [at(7), at(21, 59)]),
        (time(9), time(9), [], [at(8), at(9), at(10)]),
    ],
    ids=["by day", "over midnight", "empty"],
)
def test_quiet_hours(awa, start, end, quiet, loud):
    preferences = own(awa, quiet_from=start, quiet_until=end)
    assert [moment for moment in quiet if not preferences.is_silent(at=moment)] == []
    assert [moment for moment in loud if preferences.is_silent(at=moment)] == []


def test_quiet_hours_are_on_the_users_clock(awa):
    preferences = NotificationPreferences(
        user=awa, time_zone="Asia/Tokyo", quiet_from=time(21), quiet_until=time(22)
    )
    assert preferences.is_silent(at=at(12, 30))
    assert not preferences.is_silent(at=at(21, 30))


def test_do_not_disturb_ends_by_itself_or_not_at_all(awa):
    assert own(awa, do_not_disturb=True).channels_at(NotificationKind.TRANSFER, at=NOON) == frozenset()
    until = own(awa, do_not_disturb=True, do_not_disturb_until=NOON)
    assert until.is_silent(at=NOON - timedelta(seconds=1))
    assert not until.is_silent(at=NOON)


def test_quiet_hours_have_both_ends(awa):
    with pytest.raises(IntegrityError):
        own(awa, quiet_from=time(12)).save()
