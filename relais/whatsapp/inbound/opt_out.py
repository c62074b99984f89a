"""Opt-out and opt-in of a client: by Twilio's `OptOutType`, else by keywords."""

from __future__ import annotations

import re
import unicodedata

from relais.conversations.inbound_messages import Consent
from relais.whatsapp.assumptions import OPT_OUT_FIELD
from relais.whatsapp.inbound.params import Params

OPT_OUT_KEYWORDS = frozenset(
    {
        "stop",
        "stopall",
        "stop all",
        "unsubscribe",
        "optout",
        "opt out",
        "arret",
        "desabonnement",
        "se desabonner",
    }
)
"""Used where Twilio reports no OptOutType. They must be the whole text; accents, case and punctuation around it are
ignored. Which of Twilio's own are left out, and why: `assumptions.py`."""
MAX_KEYWORD_CHARACTERS = 20
CONSENTS = {"STOP": Consent.OPT_OUT, "START": Consent.OPT_IN, "HELP": Consent.UNCHANGED}


def consent_of(params: Params) -> Consent:
    """Opt-out or opt-in as Twilio classified the message, else by our own list of keywords."""
    if consent := CONSENTS.get(params.text(OPT_OUT_FIELD).strip().upper()):
        return consent
    text = params.text("Body")
    return (
        Consent.OPT_OUT
        if len(text) <= MAX_KEYWORD_CHARACTERS and _is_opt_out_keyword(text)
        else Consent.OPT_IN
    )


def _is_opt_out_keyword(text: str) -> bool:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(re.findall(r"\w+", plain.casefold())) in OPT_OUT_KEYWORDS
