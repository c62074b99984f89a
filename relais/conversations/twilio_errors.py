"""The table of Twilio's error codes: what happened, what to do, whether to send the message again, and whether the
client refuses our messages. Not a closed set: Twilio adds codes.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

ASK_ADMIN = _("Prévenez un administrateur.")
WAIT_FOR_CLIENT = _("Attendez qu'il écrive de nouveau.")
RESEND_LATER = _("Renvoyez le message dans un moment.")
OTHER_CHANNEL = _("Joignez ce client autrement.")
CHANGE_FILE = _("Envoyez-le dans un autre format.")
CHANGE_TEXT = _("Écrivez-le autrement.")
CHECK_TEMPLATE = _("Faites vérifier le modèle par un administrateur.")


@dataclass(frozen=True)
class TwilioError:
    sentence: str
    """What happened, in French: stored with the message and translated where it is shown."""
    advice: str = ""
    """What to do, in French."""
    resend_helps: bool = False
    """Whether the same message may arrive if it is sent again, now or later."""
    is_opt_out: bool = False
    """The client refuses our messages, so nothing is sent until the client writes."""


TWILIO_ERRORS = {
    20003: TwilioError(_("Twilio refuse nos identifiants."), ASK_ADMIN, resend_helps=True),
    20429: TwilioError(_("Trop de messages envoyés."), RESEND_LATER, resend_helps=True),
    21211: TwilioError(_("Ce numéro n'est pas valable."), OTHER_CHANNEL),
    21408: TwilioError(
        _("L'envoi vers ce pays n'est pas permis à notre compte Twilio."), ASK_ADMIN, resend_helps=True
    ),
    21608: TwilioError(
        _("Le compte Twilio d'essai n'écrit qu'aux numéros vérifiés."), ASK_ADMIN, resend_helps=True
    ),
    21609: TwilioError(
        _("Rien n'est parti : Twilio n'accepte pas l'adresse publique de Relais (PUBLIC_BASE_URL)."),
        ASK_ADMIN,
        resend_helps=True,
    ),
    21610: TwilioError(
        _("Ce client a demandé à ne plus recevoir de messages."),
        _("Il faut qu'il écrive le premier."),
        is_opt_out=True,
    ),
    21617: TwilioError(_("Le message est trop long."), _("Coupez-le en plusieurs messages.")),
    30007: TwilioError(_("L'opérateur a filtré ce message."), CHANGE_TEXT),
    30008: TwilioError(
        _("L'opérateur n'a pas dit pourquoi."), _("Renvoyez le message une fois."), resend_helps=True
    ),
    63003: TwilioError(_("Ce numéro n'est pas sur WhatsApp."), OTHER_CHANNEL),
    63005: TwilioError(_("WhatsApp n'a pas accepté le contenu de ce message."), CHANGE_TEXT),
    63007: TwilioError(
        _("Notre numéro WhatsApp n'est pas relié à ce compte Twilio."), ASK_ADMIN, resend_helps=True
    ),
    63012: TwilioError(_("WhatsApp a eu une panne."), RESEND_LATER, resend_helps=True),
    63013: TwilioError(_("Ce message ne respecte pas les règles de WhatsApp."), CHANGE_TEXT),
    63014: TwilioError(
        _("Le client a bloqué notre numéro."), _("Il faut qu'il écrive le premier."), is_opt_out=True
    ),
    63015: TwilioError(
        _("Ce numéro n'a pas rejoint le bac à sable de Twilio, ou n'y est plus."),
        _("Demandez au client d'y envoyer de nouveau le code."),
        resend_helps=True,
    ),
    63016: TwilioError(
        _("WhatsApp n'a pas accepté ce message : plus de 24 h depuis le dernier message du client."),
        WAIT_FOR_CLIENT,
        resend_helps=True,
    ),
    63017: TwilioError(_("Trop de messages envoyés."), RESEND_LATER, resend_helps=True),
    63018: TwilioError(_("Trop de messages envoyés."), RESEND_LATER, resend_helps=True),
    63019: TwilioError(_("WhatsApp n'a pas pu lire la pièce jointe."), RESEND_LATER, resend_helps=True),
    63020: TwilioError(
        _("L'entreprise n'a pas accepté l'invitation de Twilio auprès de Meta."), ASK_ADMIN, resend_helps=True
    ),
    63021: TwilioError(_("WhatsApp n'accepte pas ce contenu."), CHANGE_FILE),
    63024: TwilioError(
        _("Ce numéro ne peut pas recevoir ce message."),
        _(
            "Le client a peut-être un ancien WhatsApp. Joignez-le autrement, ou renvoyez le message plus tard."
        ),
        resend_helps=True,
    ),
    63027: TwilioError(_("WhatsApp ne connaît pas ce modèle dans cette langue."), CHECK_TEMPLATE),
    63028: TwilioError(_("Il manque des valeurs à ce modèle, ou il y en a trop."), CHECK_TEMPLATE),
    63029: TwilioError(_("WhatsApp n'a pas pu lire ce modèle."), RESEND_LATER, resend_helps=True),
    63030: TwilioError(_("WhatsApp ne connaît pas un paramètre de ce message."), ASK_ADMIN),
    63032: TwilioError(_("WhatsApp ne remet pas ce message à ce client pour le moment."), OTHER_CHANNEL),
    63038: TwilioError(
        _("Le compte a atteint son nombre de messages du jour."), ASK_ADMIN, resend_helps=True
    ),
    63049: TwilioError(_("WhatsApp a choisi de ne pas remettre ce message."), WAIT_FOR_CLIENT),
}
UNKNOWN_ERROR = TwilioError(_("WhatsApp n'a pas remis ce message."), resend_helps=True)


def twilio_error(code: int | None) -> TwilioError:
    return TWILIO_ERRORS.get(code or 0, UNKNOWN_ERROR)


def error_sentence(code: int | None) -> str:
    """What happened, in French: store it as it is, it is translated where it is shown."""
    return twilio_error(code).sentence


def error_text(code: int | None) -> str:
    """What happened and what to do, in the active language."""
    error = twilio_error(code)
    return " ".join(gettext(part) for part in (error.sentence, error.advice) if part)


def is_opt_out(code: int | None) -> bool:
    return twilio_error(code).is_opt_out


def parse_error_code(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
