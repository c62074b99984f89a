"""The page of one's own notification settings: for every role, with and without JavaScript."""

from datetime import time, timedelta

import pytest
from django.utils import timezone

from relais.notifications.models import NotificationPreferences, PushSubscription
from relais.notifications.notification_kinds import NotificationChannel, NotificationKind
from relais.web.times import ZONE_COOKIE

pytestmark = pytest.mark.django_db
URL = "/dashboard/settings/notifications"
JSON = {"HTTP_ACCEPT": "application/json"}


def saved(user):
    return NotificationPreferences.objects.get(user=user)


@pytest.mark.parametrize("role", ["awa", "mariam", "nadia"])
def test_every_role_has_the_page_and_the_ways_to_it(client, request, role):
    client.force_login(request.getfixturevalue(role))
    page = client.get(URL).content.decode()
    for kind in NotificationKind:
        for channel in NotificationChannel:
            assert f'name="{kind.value}-{channel.value}"' in page
    for path in ("/dashboard", "/dashboard/profile"):
        assert f'href="{URL}"' in client.get(path).content.decode()


def test_the_anonymous_sign_in_first(client):
    assert client.get(URL).status_code == 302
    assert client.post(URL, **JSON).status_code == 401


def test_what_is_chosen_is_saved(client, awa, koffi):
    client.force_login(awa)
    client.cookies[ZONE_COOKIE] = "Africa/Abidjan"
    fields = {"transfer-sound": "on", "mention-push": "on", "shows_text": "on"}
    response = client.post(URL, fields | {"quiet_from": "20:00", "quiet_until": "07:30", "pause": ""})
    assert response.status_code == 302
    own = saved(awa)
    assert own.chosen_channels(NotificationKind.TRANSFER) == {NotificationChannel.SOUND}
    assert own.chosen_channels(NotificationKind.MENTION) == {NotificationChannel.PUSH}
    assert own.chosen_channels(NotificationKind.CLIENT_MESSAGE) == frozenset()
    assert (own.shows_text, own.time_zone) == (True, "Africa/Abidjan")
    assert (own.quiet_from, own.quiet_until) == (time(20), time(7, 30))
    page = client.get(URL).content.decode()
    assert 'value="20:00"' in page
    assert not NotificationPreferences.objects.filter(user=koffi).exists()


def test_programs_get_json(client, awa):
    client.force_login(awa)
    assert client.post(URL, {"transfer-sound": "on"}, **JSON).json() == {"success": True}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"quiet_from": "20:00"}, "quiet_until"),
        ({"quiet_from": "soon"}, "quiet_from"),
        ({"pause": "9"}, "pause"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_saved(client, awa, fields, code):
    client.force_login(awa)
    response = client.post(URL, fields, **JSON)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert client.post(URL, fields).status_code == 422
    assert not NotificationPreferences.objects.exists()


def test_do_not_disturb_for_a_while_is_kept_until_its_end(client, awa):
    client.force_login(awa)
    client.post(URL, {"pause": "60"})
    until = saved(awa).do_not_disturb_until
    assert timedelta(minutes=59) < until - timezone.now() <= timedelta(hours=1)
    assert '<option value="keep" selected' in client.get(URL).content.decode()
    client.post(URL, {"pause": "keep", "shows_text": "on"})
    assert saved(awa).do_not_disturb_until == until
    client.post(URL, {"pause": "unlimited"})
    assert (saved(awa).do_not_disturb, saved(awa).do_not_disturb_until) == (True, None)
    client.post(URL, {"pause": ""})
    assert not saved(awa).do_not_disturb


class TestDevices:
    @pytest.fixture
    def device(self, awa):
        return PushSubscription.objects.create(
            user=awa,
            endpoint="https://push.example/1",
            p256dh="",
            auth="",
            session_key="",
            device="Firefox, Android",
        )

    def test_one_sees_and_removes_ones_own(self, client, awa, device):
        client.force_login(awa)
        assert "Firefox, Android" in client.get(URL).content.decode()
        assert client.post(f"/dashboard/push/{device.pk}/remove").status_code == 302
        assert not PushSubscription.objects.exists()

    @pytest.mark.parametrize("action", ["remove", "test"])
    def test_those_of_others_are_not_there(self, client, koffi, device, action):
        client.force_login(koffi)
        assert "Firefox, Android" not in client.get(URL).content.decode()
        assert client.post(f"/dashboard/push/{device.pk}/{action}", **JSON).status_code == 404
        assert PushSubscription.objects.exists()
