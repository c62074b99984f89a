"""Status callbacks: Twilio reports the delivery status of a message, which is applied to its delivery.

Idempotent: late, repeated, reordered and unknown updates change nothing that they should not.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from django.db import transaction
from django.db.models import Q

from relais.clients.addresses import InvalidAddress, canonical_address, match_key
from relais.clients.models import ClientAddress
from relais.conversations.models import Conversation, MessageDelivery
from relais.text import parse_primary_key
from relais.whatsapp.assumptions import ACCEPTED_STATUSES, FAILED_STATUSES
from relais.whatsapp.error_sentences import OPT_OUT_ERROR_CODES, error_sentence, parse_error_code
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
    )


@transaction.atomic
def apply_status_updates(updates: Sequence[StatusUpdate], *, at: datetime) -> None:
    deliveries = _LockedDeliveries(updates)
    for update in updates:
        delivery = deliveries.find(update)
        if delivery is not None:
            apply_status(delivery, update.status, sid=update.sid, code=update.code, at=at)
            deliveries.add_sid(delivery)
        elif not update.ref:
            studio_messages.schedule_lookup(update.sid)


def apply_status(delivery: MessageDelivery, status: str, *, sid: str, code: int | None, at: datetime) -> None:
    if status in ("delivered", "read"):
        delivery.advance(status, at=at, sid=sid)
    elif status in ACCEPTED_STATUSES:
        delivery.advance("sent", at=at, sid=sid)
    elif status in FAILED_STATUSES:
        fail_delivery(delivery, code=code, at=at, sid=sid)


@transaction.atomic
def fail_delivery(
    delivery: MessageDelivery, *, code: int | None, at: datetime, sid: str | None = None, error: str = ""
) -> None:
    has_changed = delivery.mark_failed(at=at, code=code, error=error or error_sentence(code), sid=sid)
    if has_changed and code in OPT_OUT_ERROR_CODES:
        _record_opt_out(delivery, at)


def _record_opt_out(delivery: MessageDelivery, at: datetime) -> None:
    """For this number of ours only, and not if the client has written to it since: the callback may be late."""
    conversation = delivery.conversation
    channel = Conversation.objects.filter(client=conversation.client_id, sender=conversation.sender)
    if channel.filter(last_inbound_at__gt=at).exists():
        return
    address = ClientAddress.objects.filter(match_key=match_key(delivery.recipient)).first()
    conversation.client.opt_out(conversation.sender, at=at, address=address or conversation.address)


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
