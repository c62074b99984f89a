"""The event types of the history and the kinds of authors.

A new event type also needs a migration (choices and check constraint), a sentence in `event_text.py` and a row in
`docs/history.md`.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


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
    CONVERSATION_STARTED = "conversation_started", _("Conversation commencée")
    AGENT_TRANSFER = "agent_transfer", _("Demande d'agent")
    AGENT_TAKEOVER = "agent_takeover", _("Prise en charge")
    AGENT_RELEASE = "agent_release", _("Remise")
    CONVERSATION_CLOSED = "conversation_closed", _("Clôture")
    CONVERSATION_REOPENED = "conversation_reopened", _("Clôture annulée")
    FLOW_START = "flow_start", _("Début du parcours")
    FLOW_COMPLETE = "flow_complete", _("Fin du parcours")
    TIMEOUT = "timeout", _("Fin par silence")
    ERROR = "error", _("Erreur")
    NOTE = "note", _("Note")
    SNOOZED = "snoozed", _("Mise en pause")
    SNOOZE_ENDED = "snooze_ended", _("Fin de la pause")
    TAGS_CHANGED = "tags_changed", _("Étiquettes")
    SCHEDULED_WITHHELD = "scheduled_withheld", _("Message programmé non envoyé")


MESSAGE_EVENT_TYPES = ("message_received", "message_sent", "agent_message", "document_sent")
"""Events shown as message bubbles; all others are lines between them."""
