"""What Twilio tells of the messages we sent, and what that means for their deliveries."""

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
from relais.whatsapp.assumptions import ACCEPTED_STATUSES, FAILED_STATUSES
from relais.whatsapp.errors import OPT_OUT_ERROR_CODES, error_sentence, parse_error_code
from relais.whatsapp.inbound.params import Params
from relais.whatsapp.reconcile import studio_messages

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class News:
    """What one status callback says."""

    sid: str
    status: str
    code: int | None
    to: str
    ref: str
    """Our number of the delivery, from the callback's address; empty when it is not of ours."""

    @property
    def number(self) -> int | None:
        return int(self.ref) if self.ref.isascii() and self.ref.isdigit() and len(self.ref) < 19 else None


def news_of(params: Params, *, query: str) -> News:
    """Raises Invalid."""
    params.required("MessageSid", "MessageStatus")
    return News(
        sid=params.sid(),
        status=params.text("MessageStatus").lower(),
        code=parse_error_code(params.text("ErrorCode")),
        to=params.text("To"),
        ref=parse_qs(query).get("ref", [""])[0],
    )


@transaction.atomic
def hear(news: Sequence[News], *, at: datetime) -> None:
    """Move the deliveries that these are about. Late, repeated, shuffled and unknown ones do no harm."""
    known = _Known(news)
    for one in news:
        delivery = known.about(one)
        if delivery is not None:
            apply(delivery, one.status, sid=one.sid, code=one.code, at=at)
            known.learn(delivery)
        elif not one.ref:
            studio_messages.schedule_lookup(one.sid)


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
    news = delivery.mark_failed(at=at, code=code, error=error or error_sentence(code), sid=sid)
    if news and code in OPT_OUT_ERROR_CODES:
        _note_opt_out(delivery, at)


def _note_opt_out(delivery: MessageDelivery, at: datetime) -> None:
    """Of this number of ours only. Whoever wrote to it since wants to hear from us again: this may be told late."""
    conversation = delivery.conversation
    channel = Conversation.objects.filter(client=conversation.client_id, sender=conversation.sender)
    if channel.filter(last_inbound_at__gt=at).exists():
        return
    sent_to = ClientAddress.objects.filter(match_key=match_key(delivery.recipient)).first()
    conversation.client.opt_out(conversation.sender, at=at, address=sent_to or conversation.address)


class _Known:
    """The deliveries that some news may be about, with their conversations locked, in the order of their ids."""

    def __init__(self, news: Sequence[News]) -> None:
        named = [one.number for one in news if one.number is not None]
        meant = MessageDelivery.objects.filter(Q(sid__in={one.sid for one in news}) | Q(pk__in=named))
        # Locked first and read then: the answer to the call may be written at the same moment.
        conversations = Conversation.objects.filter(pk__in=meant.values("conversation")).order_by("pk")
        list(conversations.select_for_update(no_key=True).values_list("pk"))
        deliveries = list(meant.select_related("conversation__address"))
        self._by_number = {delivery.pk: delivery for delivery in deliveries}
        self._by_sid = {delivery.sid: delivery for delivery in deliveries if delivery.sid}

    def about(self, news: News) -> MessageDelivery | None:
        """By the sid; else by the ref in the callback's address: it proves what became of a call without an answer."""
        if news.sid in self._by_sid:
            return self._by_sid[news.sid]
        if news.number is None:
            return None
        named = self._by_number.get(news.number)
        if named is None or named.sid or not _is_to(named, news.to):
            log.warning("status does not fit its delivery", extra={"delivery": named.pk if named else None})
            return None
        return named

    def learn(self, delivery: MessageDelivery) -> None:
        if delivery.sid:
            self._by_sid[delivery.sid] = delivery


def _is_to(delivery: MessageDelivery, to: str) -> bool:
    """WhatsApp may name the client by another form of his number, or another of his addresses, than we wrote to."""
    if not to:
        return True
    try:
        key = match_key(canonical_address(to))
    except InvalidAddress:
        return False
    addresses = ClientAddress.objects.filter(client=delivery.conversation.client_id)
    return addresses.filter(match_key=key).exists()
