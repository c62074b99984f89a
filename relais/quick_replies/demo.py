"""The demo's quick replies, of a car dealer."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from relais.choices import parse_choices
from relais.quick_replies.models import QuickReply, clean_fields
from relais.quick_replies.scopes import Scope
from relais.typography import typeset

DEMO_REPLIES = (
    ("bonjour", "Salutation", "Bonjour {prénom}, {agent} de {marque}. Comment puis-je vous aider ?"),
    (
        "rdv",
        "Proposer un rendez-vous à l'atelier",
        "Nous pouvons recevoir votre véhicule à l'atelier. Quel moment vous convient ?",
    ),
    (
        "essai",
        "Essai d'un véhicule",
        "Avec plaisir, {prénom}. Pour l'essai, présentez-vous avec votre permis de conduire ; comptez 45 minutes. "
        "Quel modèle souhaitez-vous essayer ?",
    ),
    (
        "vin",
        "Demander le numéro de châssis",
        "Pour retrouver votre véhicule, pouvez-vous m'envoyer son numéro de châssis (VIN) ? Il a 17 caractères et se "
        "trouve sur la carte grise, ou derrière le pare-brise.",
    ),
    (
        "horaires",
        "Horaires d'ouverture",
        "Nous vous accueillons du lundi au vendredi de 8 h 30 à 18 h 30, et le samedi de 9 h à 13 h.",
    ),
    (
        "devis",
        "Devis en préparation",
        "Je prépare votre devis, {prénom}. Vous le recevrez ici dans la journée, le {date}.",
    ),
    (
        "attente",
        "Faire patienter",
        "Je vérifie auprès de l'atelier et je reviens vers vous dans quelques minutes.",
    ),
    (
        "merci",
        "Remercier et conclure",
        "Merci de votre confiance, {prénom}. Toute l'équipe {marque} vous souhaite une bonne journée.",
    ),
)

DEMO_CHOICES = {
    "rdv": parse_choices(
        "buttons", [{"title": title} for title in ("Demain matin", "Demain après-midi", "Un autre jour")]
    )
}


@transaction.atomic
def create_demo_replies(*, at: datetime) -> None:
    """Only where there are none: what a visitor changed stays."""
    if QuickReply.objects.exists():
        return
    for shortcut, title, text in DEMO_REPLIES:
        choices = DEMO_CHOICES.get(shortcut)
        fields = clean_fields(shortcut=shortcut, title=title, text=typeset(text), choices=choices)
        QuickReply.objects.create(scope=Scope.ALL, **fields, changed_at=at)
