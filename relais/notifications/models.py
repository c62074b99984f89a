"""How each user wants to be told, and the devices to which notifications are pushed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy

from relais.accounts.models import User
from relais.conversations.models import Conversation
from relais.notifications.notification_kinds import DEFAULT_CHANNELS, NotificationChannel, NotificationKind
from relais.web.times import parse_time_zone

MAX_WARNINGS_AT_ONCE = 500
"""Further ones are told by the next run, a minute later."""
MAX_ENDPOINT_CHARACTERS = 1_000
"""The push services' addresses have 150 to 500."""


class NotificationPreferences(models.Model):
    """Users who never saved any have no row: `of` gives the defaults."""

    user = models.OneToOneField(
        User, primary_key=True, on_delete=models.CASCADE, related_name="notification_preferences"
    )
    channels = models.JSONField(default=dict)
    """By kind a list of channels. A kind that is missing, because it is newer than the row, has its defaults."""
    shows_text = models.BooleanField(default=False)
    """Whether desktop and push notifications contain what the client or colleague wrote: locked screens show it."""
    do_not_disturb = models.BooleanField(default=False)
    do_not_disturb_until = models.DateTimeField(null=True)
    """When `do_not_disturb` ends by itself; null: when the user ends it."""
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    time_zone = models.CharField(max_length=64, blank=True, default="")
    """That of the browser in which the quiet hours were set; empty: the company's."""

    class Meta:
        db_table = "notification_preferences"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="quiet_hours_have_both_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"notification preferences of user {self.user_id}"

    @classmethod
    def of(cls, user: User) -> NotificationPreferences:
        return cls.of_users([user])[user.pk]

    @classmethod
    def of_users(cls, users: Collection[User]) -> dict[int, NotificationPreferences]:
        """By user id, in one query."""
        stored = {row.user_id: row for row in cls.objects.filter(user__in=users)}
        return {user.pk: stored.get(user.pk) or cls(user=user) for user in users}

    def chosen_channels(self, kind: NotificationKind) -> frozenset[NotificationChannel]:
        if kind not in self.channels:
            return DEFAULT_CHANNELS[kind]
        return frozenset(
            NotificationChannel(name) for name in self.channels[kind] if name in NotificationChannel.values
        )

    def channels_at(self, kind: NotificationKind, *, at: datetime) -> frozenset[NotificationChannel]:
        """The channels by which to tell this user now: none while he does not want to be disturbed."""
        return frozenset() if self.is_silent(at=at) else self.chosen_channels(kind)

    def is_silent(self, *, at: datetime) -> bool:
        return self.is_do_not_disturb(at=at) or self.is_quiet_hour(at=at)

    def is_do_not_disturb(self, *, at: datetime) -> bool:
        return self.do_not_disturb and (self.do_not_disturb_until is None or at < self.do_not_disturb_until)

    def is_quiet_hour(self, *, at: datetime) -> bool:
        """From `quiet_from` (included) to `quiet_until`, on the user's clock; over midnight if the end is earlier."""
        if self.quiet_from is None or self.quiet_until is None:
            return False
        clock = at.astimezone(self.zone).time()
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= clock < self.quiet_until
        return clock >= self.quiet_from or clock < self.quiet_until

    @property
    def zone(self) -> Any:
        return parse_time_zone(self.time_zone) or timezone.get_default_timezone()


class ClosingWindowWarning(models.Model):
    """The last 24-hour window of a conversation whose end its holder was told of: each window is told once."""

    conversation = models.OneToOneField(
        Conversation, primary_key=True, on_delete=models.CASCADE, related_name="closing_window_warning"
    )
    last_inbound_seq = models.IntegerField()
    """The client's message with which the window began."""

    class Meta:
        db_table = "closing_window_warnings"

    def __str__(self) -> str:
        return f"warning of the closing window of conversation {self.conversation_id}"

    @staticmethod
    def claim(conversations: QuerySet[Conversation]) -> list[Conversation]:
        """Those whose window was not warned of. Of two processes that ask at once, one gets each."""
        due = conversations.exclude(closing_window_warning__last_inbound_seq=F("last_inbound_seq"))
        with transaction.atomic():
            locked = due.select_for_update(no_key=True, of=("self",)).order_by("pk")[:MAX_WARNINGS_AT_ONCE]
            claimed = list(due.filter(pk__in=[each.pk for each in locked]).order_by("pk"))
            ClosingWindowWarning.objects.bulk_create(
                [
                    ClosingWindowWarning(conversation=each, last_inbound_seq=each.last_inbound_seq)
                    for each in claimed
                ],
                update_conflicts=True,
                unique_fields=["conversation"],
                update_fields=["last_inbound_seq"],
            )
        return claimed


class PushSubscription(models.Model):
    """A browser that takes pushes for a user, until he signs out of it."""

    not_found_sentence = gettext_lazy("Cet appareil n'existe pas.")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="push_subscriptions")
    endpoint = models.CharField(max_length=MAX_ENDPOINT_CHARACTERS, unique=True)
    p256dh = models.CharField(max_length=100)
    """The browser's public key, and with `auth` the secret for encrypting what is pushed to it; base64url."""
    auth = models.CharField(max_length=32)
    session_key = models.CharField(max_length=40, db_index=True)
    """Nothing is pushed once this session has ended."""
    device = models.CharField(max_length=80, blank=True, default="")
    """« Firefox, Android », for the user to recognise it."""
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "push_subscriptions"
        ordering = ("id",)

    def __str__(self) -> str:
        return f"push subscription {self.pk}"

    @classmethod
    def subscribe(
        cls, user: User, *, endpoint: str, p256dh: str, auth: str, session_key: str, device: str
    ) -> PushSubscription:
        """Idempotent. A browser whose previous user did not sign out belongs to the new one from now on."""
        subscription, _created = cls.objects.update_or_create(
            endpoint=endpoint,
            defaults={
                "user": user,
                "p256dh": p256dh,
                "auth": auth,
                "session_key": session_key,
                "device": device,
            },
        )
        return subscription

    def is_valid(self, *, at: datetime) -> bool:
        """Whether the user is still signed in with the session by which he subscribed, like a live socket."""
        if not self.user.is_active:
            return False
        stored = Session.objects.filter(session_key=self.session_key, expire_date__gt=at).first()
        session = stored.get_decoded() if stored else {}
        known = session.get(HASH_SESSION_KEY, "")
        hashes = [self.user.get_session_auth_hash(), *self.user.get_session_auth_fallback_hash()]
        return session.get(SESSION_KEY) == str(self.user.pk) and any(
            constant_time_compare(known, each) for each in hashes
        )
