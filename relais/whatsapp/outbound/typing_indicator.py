"""« écrit… » on the client's phone while the holder of the conversation writes, or while the bot works on an answer.

Twilio ties it to a message of the client, which it also marks as read. The phone shows it until the answer comes, or
for 25 seconds. Whatever goes wrong is only counted.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from relais.company.company_settings import TYPING_INDICATOR, get_value
from relais.conversations.event_types import AuthorKind, EventType
from relais.conversations.models import Conversation
from relais.conversations.service_window import send_obstacle
from relais.whatsapp import client, metrics
from relais.whatsapp.models import MIN_TYPING_INTERVAL, TypingIndicator

log = logging.getLogger(__name__)
MAX_DELAY = timedelta(seconds=5)
"""A job that runs later shows nothing: who wrote may have stopped, or sent."""


def show_typing(conversation_id: int, user_id: int | None, *, reported_at: datetime, at: datetime) -> None:
    """For the holder `user_id`, or for the bot if it is None; never for others."""
    if not get_value(TYPING_INDICATOR) or at - reported_at > MAX_DELAY:
        return
    whose = Conversation.objects.with_bot() if user_id is None else Conversation.objects.held()
    conversation = whose.filter(pk=conversation_id, agent=user_id).select_related("address", "client").first()
    if conversation is None or send_obstacle(conversation, conversation.window_closes_at(), at=at):
        return
    # What was sent after the report hides the indicator, which would come back.
    if conversation.events.filter(event_type=EventType.AGENT_MESSAGE, created_at__gte=reported_at).exists():
        return
    sid = _last_message_sid(conversation)
    if sid and TypingIndicator.claim(conversation, at=reported_at, interval=MIN_TYPING_INTERVAL):
        _show(sid)


def _last_message_sid(conversation: Conversation) -> str:
    """Of the client's last message; what Twilio does not know has no SID."""
    messages = conversation.events.filter(author_kind=AuthorKind.CLIENT, message_sid__isnull=False)
    return messages.order_by("-seq").values_list("message_sid", flat=True).first() or ""


def _show(sid: str) -> None:
    try:
        client.show_typing(sid)
    except (client.TwilioRefused, client.RetryLater, client.OutcomeUnknown) as failure:
        metrics.count_typing_indicator("failed")
        log.info("typing indicator not shown", extra={"why": type(failure).__name__})
    else:
        metrics.count_typing_indicator("shown")
