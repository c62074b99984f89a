"""The text of an outgoing message as it is stored, and until when its author can undo it."""

from __future__ import annotations

from datetime import datetime, timedelta

from relais.conversations.errors import CannotSend
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.text import has_visible_characters, sanitize_for_postgres


def clean_message(text: str) -> str:
    """The text as it is stored and sent: no NUL, no lone surrogate, trimmed. Raises CannotSend."""
    cleaned = sanitize_for_postgres(text).replace("\r\n", "\n").strip()
    if not has_visible_characters(cleaned):
        raise CannotSend("empty")
    if len(cleaned) > MAX_MESSAGE_CHARACTERS:
        raise CannotSend("too_long")
    return cleaned


def held_until(at: datetime, undo_seconds: int) -> datetime | None:
    return at + timedelta(seconds=undo_seconds) if undo_seconds else None
