"""What programs of the company may ask of us: to write to a client, as long as no agent holds the conversation."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from relais.accounts.models import ApiToken
from relais.clients.addresses import InvalidAddress, canonical_address, match_key
from relais.conversations.channels import conversation_with
from relais.conversations.errors import CannotSend, StateConflict
from relais.conversations.events import Author
from relais.conversations.models import Conversation
from relais.whatsapp.inbound import studio_hooks
from relais.whatsapp.inbound.params import Invalid, Params

LONGEST_REF = 64


def send_message(params: Params, *, program: ApiToken | None) -> tuple[int, dict[str, Any]]:
    """The status and body of the answer. Raises Invalid and studio.Unknown."""
    if program:
        program.record_use(at=timezone.now())
    params.required("phone_number", "message")
    ref = params.text("ref").strip() or None
    if ref and len(ref) > LONGEST_REF:
        raise Invalid(ref=_("ref dépasse 64 caractères."))
    author = Author("api", program.name if program else "")
    try:
        with transaction.atomic():
            conversation = _conversation(params, ref)
            delivery = conversation.send_as_program(
                params.text("message"), by=author, at=timezone.now(), ref=ref
            )
    except CannotSend as refusal:
        field = "message" if refusal.code in ("empty", "too_long") else "phone_number"
        raise Invalid(**{field: str(refusal)}) from refusal
    except StateConflict as refusal:
        answer = {
            "success": False,
            "error": str(refusal),
            "code": refusal.code,
            "status": str(refusal.status),
        }
        return 409, answer | ({"agent": str(refusal.agent)} if refusal.agent else {})
    return 200, {"success": True, "event_id": delivery.event_id, "conversation_id": delivery.conversation_id}


def _conversation(params: Params, ref: str | None) -> Conversation:
    """The one named, else where that ref was said, else the open one, else one opened as an earlier one was."""
    try:
        address = canonical_address(params.text("phone_number"))
    except InvalidAddress as error:
        raise Invalid(phone_number=str(error)) from error
    of_client = Conversation.objects.filter(client__addresses__match_key=match_key(address))
    channel = of_client.filter(sender=settings.ENVIRONMENT.whatsapp_number)
    if params.text("conversation_id").strip():
        named = studio_hooks.conversation_of(params)
        if not of_client.filter(pk=named.pk).exists():
            raise studio_hooks.Unknown(_("Cette conversation n'est pas celle de ce numéro."))
        return named
    if ref and (said := channel.filter(deliveries__ref=ref).first()):
        return said
    if found := conversation_with(address, settings.ENVIRONMENT.whatsapp_number):
        return found
    raise CannotSend("window_closed")
