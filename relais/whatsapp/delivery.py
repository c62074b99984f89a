"""What Twilio tells of the messages we sent, and what that means for their deliveries."""

from __future__ import annotations

import logging
from datetime import datetime
from urllib.parse import parse_qs

from django.db import transaction

from relais.clients.addresses import BadAddress, canonical
from relais.clients.models import ClientAddress
from relais.conversations.models import MessageDelivery
from relais.whatsapp import overheard
from relais.whatsapp.assumptions import ACCEPTED_STATUSES, FAILED_STATUSES
from relais.whatsapp.errors import OPTED_OUT, code_of, sentence_of
from relais.whatsapp.params import Params

log = logging.getLogger(__name__)


def hear_status(params: Params, *, query: str, at: datetime) -> None:
    """Move the delivery that a status callback is about. Late, repeated, shuffled and unknown ones do no harm."""
    params.required("MessageSid", "MessageStatus")
    ref = parse_qs(query).get("ref", [""])[0]
    delivery = _find(params, ref=ref)
    if delivery is None and not ref:
        overheard.notice(params.text("MessageSid"))
    if delivery is not None:
        apply(
            delivery,
            params.text("MessageStatus").lower(),
            sid=params.sid(),
            code=code_of(params.text("ErrorCode")),
            at=at,
        )


def apply(delivery: MessageDelivery, status: str, *, sid: str, code: int | None, at: datetime) -> None:
    if status in ("delivered", "read"):
        delivery.advance(status, at=at, sid=sid)
    elif status in ACCEPTED_STATUSES:
        delivery.advance("sent", at=at, sid=sid)
    elif status in FAILED_STATUSES:
        fail(delivery, code=code, at=at, sid=sid)


@transaction.atomic
def fail(
    delivery: MessageDelivery, *, code: int | None, at: datetime, sid: str | None = None, error: str = ""
) -> None:
    news = delivery.failed(at=at, code=code, error=error or sentence_of(code), sid=sid)
    if news and code in OPTED_OUT:
        address = ClientAddress.objects.filter(conversations=delivery.conversation_id, opted_out_at=None)
        # Whoever wrote since wants to hear from us again; this may be told late.
        address.exclude(conversations__last_inbound_at__gt=at).update(opted_out_at=at)


def _find(params: Params, *, ref: str) -> MessageDelivery | None:
    """By the sid; else by the ref in the callback's address, which proves what became of a call without an answer."""
    sid = params.sid()
    deliveries = MessageDelivery.objects.select_related("conversation__address")
    if known := deliveries.filter(sid=sid).first():
        return known
    if not (ref.isascii() and ref.isdigit() and len(ref) < 19):
        return None
    named = deliveries.filter(pk=int(ref)).first()
    # The answer to the call may have been written between the two questions.
    if named is None or named.sid not in (None, sid) or not _is_to(named, params.text("To")):
        log.warning("status does not fit its delivery", extra={"delivery": named.pk if named else None})
        return None
    return named


def _is_to(delivery: MessageDelivery, to: str) -> bool:
    try:
        return not to or canonical(to) == delivery.conversation.address.address
    except BadAddress:
        return False
