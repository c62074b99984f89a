"""The demo's macros, of a car dealer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from relais.accounts.models import User
from relais.accounts.roles import Role
from relais.macros.models import Macro, clean_fields
from relais.quick_replies.scopes import Scope
from relais.typography import typeset

DEMO_MACROS: tuple[tuple[str, str, list[dict[str, Any]]], ...] = (
    (
        "devis",
        "Envoyer le devis et clore",
        [
            {
                "type": "send",
                "text": "Bonjour {prénom}, votre devis est prêt : vous le recevez par e-mail dans quelques minutes. "
                "Il est valable 30 jours. {agent}, {marque}",
            },
            {"type": "tags", "add": ["devis"]},
            {"type": "note", "text": "Devis envoyé le {date}."},
            {"type": "close", "reason": "Devis envoyé"},
        ],
    ),
    (
        "photos",
        "Demander des photos et attendre",
        [
            {
                "type": "send",
                "text": "Pour préparer votre rendez-vous, {prénom}, pouvez-vous nous envoyer deux ou trois photos du "
                "véhicule et du compteur ?",
            },
            {"type": "tags", "add": ["photos attendues"]},
            {"type": "snooze", "until": "reply"},
        ],
    ),
)


@transaction.atomic
def create_demo_macros(*, at: datetime) -> None:
    """Only where there are none: what a visitor changed stays."""
    author = User.objects.active().filter(role=Role.SUPERVISOR).first()
    if author is None or Macro.objects.exists():
        return
    for shortcut, title, steps in DEMO_MACROS:
        typeset_steps = [
            {**step, "text": typeset(step["text"])} if "text" in step else step for step in steps
        ]
        fields = clean_fields(by=author, shortcut=shortcut, title=title, steps=typeset_steps)
        Macro.objects.create(scope=Scope.ALL, **fields, changed_at=at)
