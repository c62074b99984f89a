"""Messages of a flow to another recipient than the client, or from another of our numbers.

They belong to the conversation of that address and number: its 24-hour window, opt-out and agent decide whether they
are sent, and its history has the text. The flow's own conversation gets a note, or the refused message with the reason.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from relais.action_errors import ActionRefused
from relais.clients.addresses import InvalidAddress, canonical_address
from relais.conversations.errors import CannotSend, refusal_reason
from relais.conversations.events import BOT
from relais.conversations.find_or_open import conversation_with, open_conversation
from relais.conversations.models import Conversation, MessageDelivery, SenderRateLimit
from relais.conversations.outbound_templates import Template
from relais.conversations.states import Situation
from relais.flows import engine


def send(
    conversation: Conversation,
    effect: engine.SendMessage,
    *,
    template: Template | None,
    ref: str,
    at: datetime,
) -> engine.SendResult:
    """Send the message of a flow that runs in `conversation`; the result says whether it was queued."""
    try:
        with transaction.atomic():
            to, sender = _addresses(effect)
            other = _conversation(conversation, to, sender, may_open=template is not None)
            if other.situation is Situation.HELD:
                raise CannotSend("held_by_agent")
            delivery = other.send_as_program(
                effect.body,
                by=BOT,
                at=at,
                ref=ref,
                media_url=effect.media_url,
                template=template,
                metadata={"from_conversation": conversation.pk} if other.pk != conversation.pk else None,
            )
    except ActionRefused as refusal:
        return refuse(
            conversation, effect, refusal, template=template, at=at, metadata=_raw_addresses(effect)
        )
    if other.pk != conversation.pk:
        _note(conversation, delivery, at=at, state=effect.widget)
    return engine.SendResult(effect.ref, status="queued")


def refuse(
    conversation: Conversation,
    effect: engine.SendMessage,
    refusal: ActionRefused,
    *,
    template: Template | None,
    at: datetime,
    metadata: dict[str, Any] | None = None,
) -> engine.SendResult:
    """Store the message as refused in the flow's own conversation, with the reason."""
    content = {"media_url": [effect.media_url]} if effect.media_url else {}
    content |= asdict(template) if template else {}
    reason = refusal_reason(refusal)
    conversation.record_refused(
        effect.body, by=BOT, at=at, reason=reason, metadata=content | (metadata or {})
    )
    return engine.SendResult(effect.ref, status="failed", error_code=reason, error_message=str(refusal))


def _addresses(effect: engine.SendMessage) -> tuple[str, str]:
    """The canonical `to` and `from`. Raises CannotSend."""
    try:
        to = canonical_address(effect.to)
    except InvalidAddress as error:
        raise CannotSend("bad_address") from error
    try:
        return to, canonical_address(effect.sender)
    except InvalidAddress as error:
        raise CannotSend("not_our_number") from error


def _conversation(conversation: Conversation, to: str, sender: str, *, may_open: bool) -> Conversation:
    """The conversation of that address and number. Raises CannotSend.

    `may_open`: WhatsApp allows only a template as the first message to an address.
    """
    if existing := conversation_with(to, sender):
        return existing
    if not _is_ours(sender, conversation):
        raise CannotSend("not_our_number")
    if not may_open:
        raise CannotSend("unknown_recipient")
    return open_conversation(to, sender)


def _is_ours(sender: str, conversation: Conversation) -> bool:
    """Whether `sender` is the number of the flow's conversation, the configured one, or one that sent before."""
    if sender in (conversation.sender, settings.ENVIRONMENT.whatsapp_number):
        return True
    return SenderRateLimit.objects.filter(sender=sender).exists()


def _note(conversation: Conversation, delivery: MessageDelivery, *, at: datetime, state: str) -> None:
    other, event = delivery.conversation, delivery.event
    metadata = {
        "to": other.address.address,
        "conversation": other.pk,
        "event": event.pk,
        "state": state,
    }
    if other.sender != conversation.sender:
        metadata["from"] = other.sender
    text = (
        event.body or event.metadata.get("content_sid", "") or "\n".join(event.metadata.get("media_url", ()))
    )
    conversation.append_event("note", by=BOT, at=at, body=text, metadata=metadata)


def _raw_addresses(effect: engine.SendMessage) -> dict[str, str]:
    """`to` and `from` as the flow has them, since they may not be addresses at all."""
    return {"to": effect.to, "from": effect.sender}
