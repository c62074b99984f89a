"""WhatsApp's states of a template, as Twilio names them, and the categories."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class TemplateStatus(models.TextChoices):
    APPROVED = "approved", _("Approuvé")
    PENDING = "pending", _("En examen")
    RECEIVED = "received", _("Reçu par Twilio")
    UNSUBMITTED = "unsubmitted", _("Non soumis")
    REJECTED = "rejected", _("Refusé")
    PAUSED = "paused", _("Suspendu")
    DISABLED = "disabled", _("Désactivé")


class TemplateCategory(models.TextChoices):
    UTILITY = "UTILITY", _("Service")
    MARKETING = "MARKETING", _("Marketing")
    AUTHENTICATION = "AUTHENTICATION", _("Code d'accès")


_ADVICE = {
    TemplateStatus.PENDING: _("WhatsApp l'examine, jusqu'à 48 heures. Rien à faire d'ici là."),
    TemplateStatus.RECEIVED: _("Twilio l'a reçu et va le soumettre à WhatsApp."),
    TemplateStatus.UNSUBMITTED: _(
        "Soumettez-le à WhatsApp dans la console de Twilio pour pouvoir l'envoyer."
    ),
    TemplateStatus.REJECTED: _("Corrigez-le dans la console de Twilio et soumettez-le de nouveau."),
    TemplateStatus.PAUSED: _(
        "Des clients l'ont signalé : WhatsApp le suspend quelques heures. Revoyez son texte."
    ),
    TemplateStatus.DISABLED: _("WhatsApp l'a désactivé pour de bon : créez-en un autre."),
}


def status_label(status: str) -> str:
    """Twilio may add states: an unknown one is shown as it is."""
    return str(TemplateStatus(status).label) if status in TemplateStatus.values else status


def status_advice(status: str) -> str:
    """What to do about a template that may not be sent; empty if nothing."""
    return str(_ADVICE[TemplateStatus(status)]) if status in _ADVICE else ""


def category_label(category: str) -> str:
    return str(TemplateCategory(category).label) if category in TemplateCategory.values else category
