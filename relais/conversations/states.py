"""The states of conversations, deliveries and media, as the columns of their tables have them.

Three words that stand on every row, explained once:

- `epoch` is the *fencing token* of a conversation: it grows whenever the conversation changes hands (take-over, hand
  back, reassignment, close, release). A text of the bot carries the epoch under which it was written, and a claim with
  an older one is refused, so that no bot speaks after a take-over.
- `seq` numbers the events of a conversation, without gaps.
- `rev` is the version of a conversation, raised by one under its row lock by everything a screen shows of it. It has
  no gaps and grows in commit order: it is the cursor of live updates.
"""

from __future__ import annotations

from enum import Enum

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    ACTIVE = "active", _("Avec le bot")
    TRANSFERRED = "transferred", _("Avec un agent")
    COMPLETED = "completed", _("Terminée")
    TIMEOUT = "timeout", _("Sans suite")
    ABANDONED = "abandoned", _("Abandonnée")


OPEN_STATUSES = (Status.ACTIVE, Status.TRANSFERRED)
ENDED_STATUSES = (Status.COMPLETED, Status.TIMEOUT, Status.ABANDONED)


class Situation(Enum):
    """Status and agent together: who answers the client."""

    BOT = "bot"
    WAITING = "waiting"
    HELD = "held"
    ENDED = "ended"


UNTIL_REPLY = "reply"
"""The end of a snooze that lasts until the client writes."""


class DeliveryState(models.TextChoices):
    """The delivery states of one outgoing message; their order is `delivery_states.STATES_BY_RANK`."""

    QUEUED = "queued", _("En attente d'envoi")
    SENDING = "sending", _("Envoi en cours")
    UNCERTAIN = "uncertain", _("Envoi incertain")
    SENT = "sent", _("Envoyé")
    DELIVERED = "delivered", _("Remis")
    READ = "read", _("Lu")
    FAILED = "failed", _("Échec")
    REFUSED = "refused", _("Non envoyé")


class MediaState(models.TextChoices):
    WAITING = "waiting", _("En attente")
    SCANNING = "scanning", _("Analyse en cours")
    STORED = "stored", _("Disponible")
    FAILED = "failed", _("Indisponible")
    INFECTED = "infected", _("En quarantaine")
