"""Our own hooks for a flow that runs here: the same answers, without HTTP, signature or secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from relais.conversations.inbound import get_ingested
from relais.conversations.inbound_messages import InboundMedia, InboundMessage
from relais.conversations.models import ConversationEvent
from relais.whatsapp.inbound import studio_hooks
from relais.whatsapp.inbound.params import Invalid, params_of
from relais.whatsapp.inbound.signature import RawRequest

VERBS = {
    "/api/twilio/menu-choice": studio_hooks.menu_choice,
    "/api/twilio/free-input": studio_hooks.free_input,
    "/api/twilio/agent-transfer": studio_hooks.agent_transfer,
    "/api/twilio/complete": studio_hooks.complete,
}


def answer(
    path: str, content_type: str, body: bytes, event: ConversationEvent, at: datetime
) -> tuple[int, dict[str, Any]]:
    """The status and JSON of the hook at `path`. `incoming` appends nothing: it tells of the message `event`."""
    if path == "/api/twilio/incoming":
        return 200, _incoming(event)
    verb = VERBS.get(path)
    if verb is None:
        return 404, {"success": "false", "error": path}
    kind = content_type.partition(";")[0].strip().lower()
    raw = RawRequest(path=path, query="", content_type=kind, body=body, signature="", authorization="")
    try:
        return 200, {"success": "true"} | verb(params_of(raw))
    except Invalid as invalid:
        return 422, {"success": "false", "error": str(invalid), "errors": invalid.errors}
    except studio_hooks.Unknown as unknown:
        return 404, {"success": "false", "error": str(unknown)}


def _incoming(event: ConversationEvent) -> dict[str, Any]:
    received = get_ingested(event.message_sid or "")
    inbound = InboundMessage(
        sid=received.message_sid,
        address=received.address,
        sender=event.conversation.sender,
        body=event.body,
        profile_name=event.author_name,
        media=tuple(InboundMedia(item.url, item.declared_type) for item in event.media.all()),
    )
    return studio_hooks.answer_incoming(received, inbound)
