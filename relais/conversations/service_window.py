"""WhatsApp's 24-hour customer service window: until when free text may be sent to a client, and what blocks it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Max

if TYPE_CHECKING:
    from relais.conversations.models import Conversation, ConversationEvent

SERVICE_WINDOW = timedelta(hours=24)
"""Free text is accepted this long after the client's last message."""
CLOSING_SOON = timedelta(hours=2)
"""Rows and the composer warn of the window's end if that is sooner than this."""


class ServiceWindowMixin:
    def window_closes_at(self: Conversation) -> datetime | None:
        """When free text is no longer accepted: per client and sender, whichever conversation and address it was."""
        last = (
            type(self)
            .objects.filter(client=self.client_id, sender=self.sender)
            .aggregate(at=Max("last_inbound_at"))["at"]
        )
        return last + SERVICE_WINDOW if last else None

    def opted_out_since(self: Conversation) -> datetime | None:
        """When the client opted out of this number of ours."""
        return self.client.opted_out_since(self.sender) if self.address.opted_out_at else None


def send_obstacle(conversation: Conversation, window_closes_at: datetime | None, *, at: datetime) -> str:
    """Why WhatsApp takes no free text now, `opted_out` or `window_closed` (see `refusal_texts.py`), or empty."""
    if conversation.opted_out_since():
        return "opted_out"
    return "" if window_closes_at and at < window_closes_at else "window_closed"


def leaving_obstacle(conversation: Conversation, event: ConversationEvent, *, at: datetime) -> str:
    """Why a message that was accepted may not leave now, as `send_obstacle`: it may have waited in the outbox.

    Mostly without a query. An approved template may leave when the window is closed.
    """
    last = conversation.last_inbound_at
    is_accepted = is_template(event) or (last is not None and at < last + SERVICE_WINDOW)
    if is_accepted and not conversation.address.opted_out_at:
        return ""
    obstacle = send_obstacle(conversation, conversation.window_closes_at(), at=at)
    return "" if obstacle == "window_closed" and is_template(event) else obstacle


def is_template(event: ConversationEvent) -> bool:
    """A template that WhatsApp approved, which the window does not concern."""
    return "content_sid" in event.metadata


def row_window_closes_at(conversation: Conversation) -> datetime | None:
    """Without a query, for list rows: an open conversation has the latest inbound message of its channel, if any."""
    if not conversation.is_open or not conversation.last_inbound_at:
        return None
    return conversation.last_inbound_at + SERVICE_WINDOW
