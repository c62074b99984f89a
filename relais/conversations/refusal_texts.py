"""The texts of refusals: another agent was faster, the 24-hour window is closed, the client opted out …"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from relais.clients.models import OptOutSource
from relais.conversations.states import Situation
from relais.message_limits import MAX_MESSAGE_CHARACTERS

if TYPE_CHECKING:
    from relais.conversations.models import Conversation


def conflict_sentence(conversation: Conversation) -> str:
    """Why the state of a conversation does not allow what a person tried."""
    if conversation.situation is Situation.HELD:
        return _("%(agent)s a pris cette conversation. Vous pouvez la suivre.") % {
            "agent": conversation.agent
        }
    if not conversation.is_open:
        return _("Cette conversation est terminée. Le prochain message du client en ouvrira une autre.")
    return _("La conversation a changé entre-temps. Rechargez la page.")


def write_blocked_sentence(reason: str, opt_out_source: str = "") -> str:
    """Why the composer is closed to the holder, and how it opens again."""
    if reason == "opted_out" and opt_out_source == OptOutSource.BLOCKED:
        return _(
            "Ce client a bloqué notre numéro : WhatsApp ne lui remet plus rien. Il faut qu'il écrive le premier."
        )
    return refusal_sentence(reason)


def refusal_sentence(code: str) -> str:
    """Why a message cannot be sent, as a person reads it."""
    return {
        "empty": _("Le message est vide."),
        "undone": _("Annulé avant l'envoi : le client n'a rien reçu."),
        "too_long": _("Le message dépasse %(longest)s caractères. Coupez-le en plusieurs messages.")
        % {"longest": MAX_MESSAGE_CHARACTERS},
        "window_closed": _(
            "WhatsApp n'accepte plus de texte libre : plus de 24 h depuis le dernier message du client. "
            "Envoyez un modèle approuvé, ou attendez qu'il écrive de nouveau."
        ),
        "opted_out": _(
            "Ce client a demandé à ne plus recevoir de messages. Il faut qu'il écrive le premier."
        ),
        "bad_address": _("Ce destinataire n'est pas une adresse WhatsApp. Corrigez-le dans le parcours."),
        "not_our_number": _("Ce numéro d'envoi n'est pas un des nôtres. Corrigez-le dans le parcours."),
        "unknown_recipient": _(
            "Ce destinataire n'a jamais écrit à ce numéro : WhatsApp n'accepte pour lui qu'un modèle approuvé."
        ),
        "held_by_agent": _(
            "Un agent tient la conversation avec ce destinataire : le bot n'y écrit pas. Dites-le-lui."
        ),
        "taken_over": _("Retenu : un agent avait pris la conversation."),
        "ended": _("Retenu : la conversation était terminée."),
    }[code]


def withheld_sentence(reason: str) -> str:
    """Why a scheduled message did not leave at its time, and what to do."""
    return {
        "holder_changed": _("La conversation avait changé de mains."),
        "ended": _("La conversation était terminée."),
        "window_closed": _(
            "Plus de 24 h depuis le dernier message du client : WhatsApp ne prend plus qu'un modèle approuvé."
        ),
        "opted_out": _("Le client a demandé à ne plus recevoir de messages."),
        "template_unknown": _("Ce modèle n'existe plus. Choisissez-en un autre."),
        "template_not_approved": _("WhatsApp n'accepte plus ce modèle. Choisissez-en un autre."),
        "variables_missing": _("Le modèle a changé : il lui manque des variables."),
    }.get(reason, _("Il ne pouvait pas partir."))
