"""Sending a notification: at once to open pages, and after a pause, if it was not read meanwhile, by push."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.live.personal_frames import notify_users
from relais.notifications.models import NotificationPreferences, PushSubscription
from relais.notifications.notification import Notification
from relais.notifications.notification_kinds import NotificationChannel

PUSH_DELAY = timedelta(seconds=2)
"""Time to read it on an open page: otherwise a telephone rings for what is being read."""


def send_notification(
    notification: Notification, users: Iterable[User], *, at: datetime
) -> list[PushSubscription]:
    """Tell them on their open pages. Returns the devices to which it is to be pushed."""
    users = [user for user in users if settings.DEMO or not user.is_demo]
    preferences = NotificationPreferences.of_users(users)
    variants: defaultdict[tuple[str, str, bool, bool, bool], list[int]] = defaultdict(list)
    push_to: list[User] = []
    for user in users:
        own = preferences[user.pk]
        channels = own.channels_at(notification.kind, at=at)
        sound, desktop = NotificationChannel.SOUND in channels, NotificationChannel.DESKTOP in channels
        if sound or desktop:
            variants[user.language, str(own.zone), own.shows_text, sound, desktop].append(user.pk)
        if NotificationChannel.PUSH in channels:
            push_to.append(user)
    for (language, zone, shows_text, sound, desktop), ids in variants.items():
        with translation.override(language), timezone.override(zone):
            frame = page_frame(notification, at=at, shows_text=shows_text) | {
                "sound": sound,
                "desktop": desktop,
            }
        notify_users(ids, frame, unless_reading=notification.conversation.pk)
    return list(PushSubscription.objects.filter(user__in=push_to))


def page_frame(notification: Notification, *, at: datetime, shows_text: bool) -> dict[str, object]:
    return {
        "kind": "notification",
        "id": notification.id,
        "event": notification.kind.value,
        "conversation": notification.conversation.pk,
        "title": notification.title(),
        "body": notification.body(at=at, shows_text=shows_text),
        "url": notification.path,
    }


def push_message(
    notification: Notification, user: User, own: NotificationPreferences, *, at: datetime
) -> bytes:
    """What is encrypted for the user's browser."""
    with translation.override(user.language), timezone.override(own.zone):
        message = page_frame(notification, at=at, shows_text=own.shows_text)
    return json.dumps(message, ensure_ascii=False).encode()


def trial_message(user: User) -> bytes:
    with translation.override(user.language):
        message = {
            "kind": "notification",
            "id": "trial",
            "event": "trial",
            "title": "Relais",
            "body": _("Cet appareil reçoit vos notifications."),
            "url": reverse("notification_settings"),
        }
    return json.dumps(message, ensure_ascii=False).encode()
