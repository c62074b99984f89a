"""Status callbacks: Twilio reports the delivery status of a message, which is applied to its delivery.

Idempotent: late, repeated, reordered and unknown updates change nothing that they should not.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from django.db import transaction
from django.db.models import Q

from relais.clients.addresses import InvalidAddress, canonical_address, match_key
from relais.clients.models import ClientAddress, OptOutSource
from relais.conversations.events import SYSTEM
from relais.conversations.models import Conversation, MessageDelivery
from relais.conversations.twilio_errors import error_sentence, is_opt_out, parse_error_code
from relais.text import parse_primary_key
from relais.whatsapp.assumptions import ACCEPTED_STATUSES, CHANNEL_BLOCK_PATTERN, FAILED_STATUSES
from relais.whatsapp.inbound.params import Params
from relais.whatsapp.reconcile import studio_messages

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StatusUpdate:
    """One status callback, parsed."""

    sid: str
    status: str
    code: int | None
    to: str
    ref: str
    """The id of our delivery, from the callback URL's query; empty when we did not send the message."""
    channel_message: str = ""
    """What WhatsApp said of a failure, in words."""

    @property
    def delivery_id(self) -> int | None:
        return parse_primary_key(self.ref)


def parse_status_update(params: Params, *, query: str) -> StatusUpdate:
    """Raises InvalidParams."""
    params.require("MessageSid", "MessageStatus")
    return StatusUpdate(
        sid=params.sid(),
        status=params.text("MessageStatus").lower(),
        code=parse_error_code(params.text("ErrorCode")),
        to=params.text("To"),
        ref=parse_qs(query).get("ref", [""])[0],
        channel_message=params.text("ChannelStatusMessage"),
    )


@transaction.atomic
def apply_status_updates(updates: Sequence[StatusUpdate], *, at: datetime) -> None:
    deliveries = _LockedDeliveries(updates)
    for update in updates:
        delivery = deliveries.find(update)
        if delivery is not None:
            apply_status(
                delivery,
                update.status,
                sid=update.sid,
                code=update.code,
                channel_message=update.channel_message,
                at=at,
            )
            deliveries.add_sid(delivery)
        elif not update.ref:
            studio_messages.schedule_lookup(update.sid)


def apply_status(
    delivery: MessageDelivery,
    status: str,
    *,
    sid: str,
    code: int | None,
    at: datetime,
    channel_message: str = "",
) -> None:
    if status in ("delivered", "read"):
        delivery.advance(status, at=at, sid=sid)
    elif status in ACCEPTED_STATUSES:
        delivery.advance("sent", at=at, sid=sid)
    elif status in FAILED_STATUSES:
        fail_delivery(delivery, code=code, at=at, sid=sid, channel_message=channel_message)


@transaction.atomic
def fail_delivery(
    delivery: MessageDelivery,
    *,
    code: int | None,
    at: datetime,
    sid: str | None = None,
    error: str = "",
    channel_message: str = "",
) -> None:
    has_changed = delivery.mark_failed(at=at, code=code, error=error or error_sentence(code), sid=sid)
    if has_changed and (source := _opt_out_source(code, channel_message)):
        _record_opt_out(delivery, source, at)


def _opt_out_source(code: int | None, channel_message: str) -> str:
    """By which sign the client refuses our messages; empty if the failure does not say so."""
    if is_opt_out(code):
        return str(code)
    is_refused = re.search(CHANNEL_BLOCK_PATTERN, channel_message, re.IGNORECASE)
    return OptOutSource.CHANNEL_STATUS if is_refused else ""


def _record_opt_out(delivery: MessageDelivery, source: str, at: datetime) -> None:
    """For this number of ours only, and not if the client has written to it since: the callback may be late."""
    conversation = delivery.conversation
    channel = Conversation.objects.filter(client=conversation.client_id, sender=conversation.sender)
    if channel.filter(last_inbound_at__gt=at).exists():
        return
    address = ClientAddress.objects.filter(match_key=match_key(delivery.recipient)).first()
    if conversation.client.opted_out_since(conversation.sender):
        return
    conversation.client.opt_out(
        conversation.sender, at=at, address=address or conversation.address, source=source
    )
    # So that open pages close their composer, and the history says why.
    conversation.append_event("error", by=SYSTEM, at=at, metadata={"opted_out": source}, is_activity=False)


class _LockedDeliveries:
    """The deliveries that a batch of updates may concern, with their conversations locked in the order of their ids."""

    def __init__(self, updates: Sequence[StatusUpdate]) -> None:
        sids = {update.sid for update in updates}
        ids = [update.delivery_id for update in updates if update.delivery_id is not None]
        candidates = MessageDelivery.objects.filter(Q(sid__in=sids) | Q(pk__in=ids))
        # Lock first, then read: the sender may be writing the response of its call at the same moment.
        conversations = Conversation.objects.filter(pk__in=candidates.values("conversation")).order_by("pk")
        list(conversations.select_for_update(no_key=True).values_list("pk"))
        deliveries = list(candidates.select_related("conversation__address"))
        self._by_id = {delivery.pk: delivery for delivery in deliveries}
        self._by_sid = {delivery.sid: delivery for delivery in deliveries if delivery.sid}

    def find(self, update: StatusUpdate) -> MessageDelivery | None:
        """By SID, else by the ref in the callback URL: it resolves a send whose response never arrived."""
        if update.sid in self._by_sid:
            return self._by_sid[update.sid]
        if update.delivery_id is None:
            return None
        delivery = self._by_id.get(update.delivery_id)
        if delivery is None or delivery.sid or not _is_sent_to(delivery, update.to):
            delivery_id = delivery.pk if delivery else None
            log.warning("status callback does not match its delivery", extra={"delivery": delivery_id})
            return None
        return delivery

    def add_sid(self, delivery: MessageDelivery) -> None:
        if delivery.sid:
            self._by_sid[delivery.sid] = delivery


def _is_sent_to(delivery: MessageDelivery, to: str) -> bool:
    """WhatsApp may report another form of the client's number, or another of the client's addresses, than we used."""
    if not to:
        return True
    try:
        key = match_key(canonical_address(to))
    except InvalidAddress:
        return False
    addresses = ClientAddress.objects.filter(client=delivery.conversation.client_id)
    return addresses.filter(match_key=key).exists()
