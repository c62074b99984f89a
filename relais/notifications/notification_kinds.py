"""What can be told, and by which channels: the rows and columns of the settings page, with their defaults."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models
from django.utils.translation import gettext_lazy as _


class NotificationKind(models.TextChoices):
    CLIENT_MESSAGE = "client_message", _("Un de mes clients m'écrit")
    WAITING = "waiting", _("Un client attend un agent")
    MENTION = "mention", _("On me mentionne dans une note")
    TRANSFER = "transfer", _("On me confie une conversation")
    WINDOW_CLOSING = "window_closing", _("La fenêtre de 24 h d'un client à qui je dois répondre se ferme")
    FAILURE = "failure", _("Un de mes messages n'est pas parti")
    WITHHELD = "withheld", _("Un de mes messages programmés n'est pas parti")


class NotificationChannel(models.TextChoices):
    SOUND = "sound", _("Son")
    DESKTOP = "desktop", _("Bureau")
    PUSH = "push", _("Appareils")


EVERY_CHANNEL = frozenset(NotificationChannel)
DEFAULT_CHANNELS: Mapping[NotificationKind, frozenset[NotificationChannel]] = {
    NotificationKind.CLIENT_MESSAGE: EVERY_CHANNEL,
    # Everybody hears of each client who waits: without a sound.
    NotificationKind.WAITING: frozenset({NotificationChannel.DESKTOP}),
    NotificationKind.MENTION: EVERY_CHANNEL,
    NotificationKind.TRANSFER: EVERY_CHANNEL,
    # No sound: it is not the client who writes.
    NotificationKind.WINDOW_CLOSING: frozenset({NotificationChannel.DESKTOP, NotificationChannel.PUSH}),
    NotificationKind.FAILURE: EVERY_CHANNEL,
    NotificationKind.WITHHELD: EVERY_CHANNEL,
}
