"""In-process calls of our own hooks by a flow that runs here: the same answers without HTTP, signature or secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from relais.conversations.inbound import get_ingested
from relais.conversations.incoming_hook_answer import incoming_answer
from relais.conversations.models import ConversationEvent
from relais.whatsapp.inbound import studio_hooks
from relais.whatsapp.inbound.params import InvalidParams, parse_params
from relais.whatsapp.inbound.raw_request import RawRequest


def call_hook(
    path: str, content_type: str, body: bytes, event: ConversationEvent, at: datetime
) -> tuple[int, dict[str, Any]]:
    """Status and JSON answer of the hook at `path`. `incoming` stores nothing: it answers for the message `event`."""
    if path == "/api/twilio/incoming":
        return 200, _incoming(event)
    handler = studio_hooks.HANDLERS.get(path)
    if handler is None:
        return 404, {"success": "false", "error": path}
    media_type = content_type.partition(";")[0].strip().lower()
    raw = RawRequest(path=path, query="", content_type=media_type, body=body, signature="", authorization="")
    try:
        return 200, {"success": "true"} | handler(parse_params(raw), at=at)
    except InvalidParams as invalid:
        return 422, {"success": "false", "error": str(invalid), "errors": invalid.errors}
    except studio_hooks.UnknownConversation as unknown:
        return 404, {"success": "false", "error": str(unknown)}


def _incoming(event: ConversationEvent) -> dict[str, Any]:
    message = get_ingested(event.message_sid or "")
    return incoming_answer(message, profile_name=event.author_name, media_count=event.media.count())
