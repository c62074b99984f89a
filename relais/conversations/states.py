"""The values that columns of the conversation tables may have, and the time limits of each state.

Three words that stand on every row, explained once:

- `epoch` is the *fencing token* of a conversation: it grows whenever the conversation changes hands (take-over, hand
  back, reassignment, close, release). A text of the bot carries the epoch under which it was written, and a claim with
  an older one is refused, so that no bot speaks after a take-over.
- `seq` numbers the events of a conversation, without gaps.
- `rev` is the version of a conversation, raised by one under its row lock by everything a screen shows of it. It has
  no gaps and grows in commit order: it is the cursor of live updates.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum

from django.db import models
from django.utils.translation import gettext_lazy as _

SERVICE_WINDOW = timedelta(hours=24)
"""WhatsApp's customer service window: free text is accepted this long after the client's last message."""

CLAIM_LEASE = timedelta(seconds=30)
"""How long a claimed delivery is left to the process that claimed it before it becomes uncertain."""
UNCERTAIN_HOLD = timedelta(minutes=2)
"""How long an uncertain message holds back the next ones of its conversation."""
MAX_RETRY_DELAY = timedelta(minutes=5)
"""The longest back-off before a message that certainly did not leave is tried again."""
FIRST_LOOKUP_DELAY = timedelta(seconds=5)
"""How long Twilio's log is not yet asked about an uncertain message: a status callback is usually faster."""
WAITING_TEXT_INTERVAL = timedelta(minutes=10)
"""At most one waiting text of a conversation is due in this time (see `waiting_text.sql`)."""


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


class AuthorKind(models.TextChoices):
    CLIENT = "client", _("Client")
    BOT = "bot", _("Bot")
    AGENT = "agent", _("Agent")
    SYSTEM = "system", _("Relais")
    API = "api", _("Programme")


class EventType(models.TextChoices):
    MESSAGE_RECEIVED = "message_received", _("Message reçu")
    MESSAGE_SENT = "message_sent", _("Message envoyé")
    AGENT_MESSAGE = "agent_message", _("Message d'agent")
    DOCUMENT_SENT = "document_sent", _("Document envoyé")
    MENU_CHOICE = "menu_choice", _("Choix de menu")
    FREE_INPUT = "free_input", _("Saisie libre")
    INVALID_INPUT = "invalid_input", _("Saisie non comprise")
    AGENT_TRANSFER = "agent_transfer", _("Demande d'agent")
    AGENT_TAKEOVER = "agent_takeover", _("Prise en charge")
    AGENT_RELEASE = "agent_release", _("Remise")
    CONVERSATION_CLOSED = "conversation_closed", _("Clôture")
    FLOW_START = "flow_start", _("Début du parcours")
    FLOW_COMPLETE = "flow_complete", _("Fin du parcours")
    TIMEOUT = "timeout", _("Fin par silence")
    ERROR = "error", _("Erreur")
    NOTE = "note", _("Note")


MESSAGE_EVENT_TYPES = ("message_received", "message_sent", "agent_message", "document_sent")
"""Events shown as message bubbles; all others are lines between them."""


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
    STORED = "stored", _("Disponible")
    FAILED = "failed", _("Indisponible")


MAX_MEDIA_MEGABYTES = 16
"""WhatsApp's own limit, as Twilio passes it on."""
MEDIA_GIVEN_UP = "given up"
"""The error of media whose download was refused, or not answered, for a day."""
MEDIA_NOT_OURS, MEDIA_TOO_LARGE, MEDIA_DELETED = "not ours", "too large", "deleted"
PERMANENT_MEDIA_ERRORS = {
    MEDIA_NOT_OURS: _("Son adresse n'est pas celle de notre compte Twilio."),
    MEDIA_TOO_LARGE: _("Elle dépasse %(megabytes)s Mo."),
    MEDIA_DELETED: _("Elle a été supprimée chez Twilio."),
}
"""Errors that no retry would change, and what the person reads."""
