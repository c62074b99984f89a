"""The answer of the hook `incoming`, with all its keys, which Studio's first widget receives. No Django, no database.

It stands here and not beside the other hooks (`whatsapp/inbound/studio_hooks.py`), because `flow play` and the trial of
a flow give the same answer, without settings or a database.
"""

from __future__ import annotations

from typing import Any

from relais.conversations.inbound_messages import IngestedMessage


def incoming_answer(message: IngestedMessage, *, profile_name: str, media_count: int) -> dict[str, Any]:
    """The answer of `/api/twilio/incoming`. Studio keeps values of earlier runs, so every key is there each time."""
    return {
        "success": "true",
        "conversation_id": message.conversation_id,
        "session_id": message.session_id,
        "phone_number": message.phone_number,
        "current_menu": message.current_menu,
        "is_client": studio_boolean(message.is_client),
        "client_full_name": message.client_full_name,
        "whatsapp_profile_name": message.whatsapp_profile_name,
        "profile_name": profile_name,
        "message": message.body,
        "status": message.status,
        "agent_mode": studio_boolean(message.is_held),
        "pending_agent": studio_boolean(message.is_waiting),
        "waiting_due": studio_boolean(message.waiting_due),
        "has_media": studio_boolean(media_count > 0),
        "media_count": media_count,
        "client_exists": studio_boolean(message.client_existed),
        "client_has_name": studio_boolean(bool(message.client_full_name)),
        "client_status_known": studio_boolean(message.is_client is not None),
    }


def studio_boolean(value: bool | None) -> str:
    """Studio compares strings: `true`, `false`, and empty for unknown."""
    return "" if value is None else "true" if value else "false"
