"""Assumptions about Twilio's behaviour that its documentation does not confirm. Each has one name.

To be verified on a live account; `relais doctor --live` checks some of them.
"""

STUDIO_SIGNS_ITS_HTTP_WIDGET = False
"""Unverified. So the hooks for Studio also accept the secret in their URL (HTTP Basic)."""

SIGNED_URL_MAY_CARRY_CREDENTIALS = True
"""Unverified whether the signature of `https://user:password@host/…` covers them: both forms are checked."""

ACCEPTED_STATUSES = frozenset({"accepted", "scheduled", "queued", "sending", "sent"})
"""Any of these in a status callback proves that Twilio has the message. They are not distinguished further."""

FAILED_STATUSES = frozenset({"failed", "undelivered", "canceled"})
"""Any of these means that the message will never arrive. A status in neither set is ignored."""

LIST_REPLY_FIELDS = ("ListTitle", "ButtonText")
"""The text of a tapped list item or button when Body is empty; seen in practice, not documented."""

LIST_REPLY_ID_FIELDS = ("ListId", "ButtonPayload")
"""The id of a tapped list item or button. The first is seen in practice, not documented. With
`OriginalRepliedMessageSid` it ties the tap to its question."""

EXTERNAL_USER_ID_FIELD = "ExternalUserId"
"""WhatsApp's own id of the author, beside the number (`FI.…`, Meta's business-scoped user id)."""

PHONE_NUMBER_FIELD = "WaId"
"""The number of an author who writes from such an id, when WhatsApp discloses it."""

OPT_OUT_FIELD = "OptOutType"
"""STOP, START or HELP when Twilio's Advanced Opt-Out matches a keyword. Documented for messaging services."""

CHANNEL_BLOCK_PATTERN = (
    r"\b(blocked by (the )?user|user (has )?(blocked|opted out|unsubscribed)|opted[- ]out)\b"
)
"""In `ChannelStatusMessage` of a failed message: the client refuses our messages, whatever the error code. The field
is documented as a text for people; its wording is not."""

OPT_OUT_KEYWORDS_ARE_KNOWN = True
"""Opt-out keywords where Twilio reports no OptOutType are those of `inbound/opt_out.py`. Twilio's default keywords that
also answer a bot's question (cancel, end, quit) are left out: if one of them did opt the client out, Twilio rejects the
next message with 21610, and that is stored."""

STATUS_CALLBACKS_TAKE_OVERRIDES = True
"""The URL fragment that asks for retries is documented for webhooks in general. Unverified for the StatusCallback of a
single message: if Twilio ignores it, the reconciliation catches up with a status lost to a 503."""

SIGNATURE_COVERS_NO_FRAGMENT = True
"""Unverified: the fragment of a webhook's URL, with its connection overrides (`webhook_urls.py`), is not signed."""

LOG_HAS_MESSAGE_AT_SECOND_LOOKUP = True
"""Unverified: a message that Twilio accepted is in its log by the second lookup (`outbound/uncertain_sends.py`). If it
appears later, it was sent twice, unless an agent wrote it."""

LOG_IS_ORDERED_BY_SEND_TIME = True
"""Unverified: Twilio lists its log newest first. Reading stops at the first page that is older than what is wanted."""
