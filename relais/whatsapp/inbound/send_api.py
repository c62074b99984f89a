"""The send API (`/api/twilio/send-message`): a program of the company sends a message, unless an agent holds the
conversation. `ref` is an idempotency key."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from relais.accounts.models import ApiToken
from relais.clients.addresses import InvalidAddress, canonical_address, match_key
from relais.conversations.errors import CannotSend, StateConflict
from relais.conversations.events import Author
from relais.conversations.find_or_open import conversation_with
from relais.conversations.models import Conversation
from relais.message_limits import MAX_REF_CHARACTERS
from relais.whatsapp.inbound import studio_hooks
from relais.whatsapp.inbound.params import InvalidParams, Params


def send_message(params: Params, *, token: ApiToken | None) -> tuple[int, dict[str, Any]]:
    """Status and JSON body of the response. Raises InvalidParams and UnknownConversation."""
    if token:
        token.record_use(at=timezone.now())
    params.require("phone_number", "message")
    ref = params.text("ref").strip() or None
    if ref and len(ref) > MAX_REF_CHARACTERS:
        raise InvalidParams(ref=_("ref dépasse %(most)s caractères.") % {"most": MAX_REF_CHARACTERS})
    author = Author("api", token.name if token else "")
    try:
        with transaction.atomic():
            conversation = _find_conversation(params, ref)
            delivery = conversation.send_as_program(
                params.text("message"), by=author, at=timezone.now(), ref=ref
            )
    except CannotSend as error:
        field = "message" if error.code in ("empty", "too_long") else "phone_number"
        raise InvalidParams(**{field: str(error)}) from error
    except StateConflict as error:
        body = {
            "success": False,
            "error": str(error),
            "code": error.code,
            "status": str(error.status),
        }
        return 409, body | ({"agent": str(error.agent)} if error.agent else {})
    return 200, {"success": True, "event_id": delivery.event_id, "conversation_id": delivery.conversation_id}


def _find_conversation(params: Params, ref: str | None) -> Conversation:
    """The one with that id, else the one where `ref` was sent before, else the client's open or most recent one."""
    try:
        address = canonical_address(params.text("phone_number"))
    except InvalidAddress as error:
        raise InvalidParams(phone_number=str(error)) from error
    client_conversations = Conversation.objects.filter(client__addresses__match_key=match_key(address))
    channel = client_conversations.filter(sender=settings.ENVIRONMENT.whatsapp_number)
    if params.text("conversation_id").strip():
        named = studio_hooks.get_conversation(params)
        if not client_conversations.filter(pk=named.pk).exists():
            raise studio_hooks.UnknownConversation(_("Cette conversation n'est pas celle de ce numéro."))
        return named
    if ref and (conversation := channel.filter(deliveries__ref=ref).first()):
        return conversation
    if conversation := conversation_with(address, settings.ENVIRONMENT.whatsapp_number):
        return conversation
    raise CannotSend("window_closed")
