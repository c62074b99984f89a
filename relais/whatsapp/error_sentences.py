"""Twilio's error codes, each with a sentence for an agent. Not a closed set: Twilio adds codes."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

OPT_OUT_ERROR_CODES = frozenset({21610, 63014})
ERROR_SENTENCES = {
    20003: _("Twilio refuse nos identifiants. Prévenez un administrateur."),
    21211: _("Ce numéro n'est pas valable."),
    21408: _("L'envoi vers ce pays n'est pas permis à notre compte Twilio. Prévenez un administrateur."),
    21608: _("Le compte Twilio d'essai n'écrit qu'aux numéros vérifiés. Prévenez un administrateur."),
    21609: _(
        "Rien n'est parti : Twilio n'accepte pas l'adresse publique de Relais (PUBLIC_BASE_URL). "
        "Prévenez un administrateur."
    ),
    21610: _("Ce client a demandé à ne plus recevoir de messages. Il faut qu'il écrive le premier."),
    21617: _("Le message est trop long. Coupez-le en plusieurs messages."),
    30007: _("L'opérateur a filtré ce message."),
    30008: _("L'opérateur n'a pas dit pourquoi. Renvoyez le message une fois."),
    63003: _("Ce numéro n'est pas sur WhatsApp."),
    63005: _("WhatsApp n'a pas accepté le contenu de ce message."),
    63007: _("Notre numéro WhatsApp n'est pas relié à ce compte Twilio. Prévenez un administrateur."),
    63012: _("WhatsApp a eu une panne. Renvoyez le message dans un moment."),
    63013: _("Ce message ne respecte pas les règles de WhatsApp."),
    63014: _("Le client a bloqué notre numéro."),
    63015: _("Ce numéro n'a pas rejoint le bac à sable de Twilio, ou n'y est plus."),
    63016: _(
        "WhatsApp n'a pas accepté ce message : plus de 24 h depuis le dernier message du client. "
        "Attendez qu'il écrive de nouveau."
    ),
    63018: _("Trop de messages envoyés. Renvoyez celui-ci dans un moment."),
    63019: _("WhatsApp n'a pas pu lire la pièce jointe."),
    63021: _("WhatsApp n'accepte pas ce contenu."),
    63024: _("Ce numéro ne peut pas recevoir ce message."),
    63032: _("WhatsApp ne remet pas ce message à ce client pour le moment."),
    63038: _("Le compte a atteint son nombre de messages du jour. Prévenez un administrateur."),
    63049: _("WhatsApp a choisi de ne pas remettre ce message."),
}
UNKNOWN_ERROR_SENTENCE = _("WhatsApp n'a pas remis ce message.")


def error_sentence(code: int | None) -> str:
    """In French: store it as it is, it is translated where it is shown."""
    return ERROR_SENTENCES.get(code or 0, UNKNOWN_ERROR_SENTENCE)


def parse_error_code(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
