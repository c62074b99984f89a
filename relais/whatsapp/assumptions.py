"""What we take for true of Twilio although no document we read says it; each has one name.

They are to be tried on a live account.
"""

from datetime import timedelta

STUDIO_SIGNS_ITS_HTTP_WIDGET = False
"""Unverified. So Studio's own hooks also accept the secret in their URL (HTTP Basic)."""

SIGNED_URL_MAY_CARRY_CREDENTIALS = True
"""Unverified whether the signed form of `https://user:password@host/…` has them: both forms are tried."""

ACCEPTED_STATUSES = frozenset({"accepted", "scheduled", "queued", "sending", "sent"})
"""Any of these in a status callback proves that Twilio has the message; more we do not distinguish."""

FAILED_STATUSES = frozenset({"failed", "undelivered", "canceled"})
"""Any of these says that the message did not arrive and will not; a status in neither set is passed over."""

LIST_REPLY_FIELDS = ("ListTitle", "ButtonText")
"""Where a tapped list or button says its words when Body is empty; seen in practice, not in the documents."""

EXTERNAL_USER_ID_FIELD = "ExternalUserId"
"""Where a message names WhatsApp's own id of its writer beside his number (`FI.…`, Meta's business-scoped user id)."""

PHONE_NUMBER_FIELD = "WaId"
"""Where a message that comes from such an id names the number, when WhatsApp shows it."""

OPT_OUT_FIELD = "OptOutType"
"""STOP, START or HELP when Twilio's advanced opt-out knows a keyword. Documented for messaging services."""

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
"""What counts as STOP where Twilio does not say so: the whole text, without accents, case or marks around it. Of
Twilio's default keywords those are left out that answer a bot's question as well (cancel, end, quit): where one of
them did silence us, Twilio refuses the next message with 21610, and that is noted."""

STATUS_CALLBACKS_TAKE_OVERRIDES = True
"""The fragment that asks for tries again is documented for webhooks in general. Unverified for a StatusCallback given
with a message: where it is passed over, a status lost to a 503 is made up for by the log."""

RETRIED = "#rc=3&rp=5xx,ct,rt"
"""Three tries more, also after a 5xx or no answer. A fragment is no part of the signature."""

LOG_ASKED_AGAIN_AFTER = timedelta(seconds=45)
"""Unverified: a message that Twilio took stands in its list by then. One that comes there later was sent again, if no
person wrote it."""

LOG_IS_IN_ORDER_OF_SENDING = True
"""Unverified: Twilio's log is listed newest first. Whoever reads it stops at the first page that lies before what he
looks for."""
