"""Executions of a Studio flow at Twilio, ended when a person takes the conversation."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from twilio.base.exceptions import TwilioRestException

from relais.conversations.models import Conversation
from relais.whatsapp import client

GONE = (404, 409)
"""It ended by itself meanwhile."""


def end_executions_of(conversation: Conversation) -> None:
    """The one that `incoming` was last told of, else all that are active for this client in STUDIO_FLOW_SID.

    Raises client.Unanswered or client.NotNow: to be tried again.
    """
    flow, execution = _told(conversation)
    if flow and execution:
        _end(flow, execution)
    elif settings.ENVIRONMENT.bot == "studio" and settings.ENVIRONMENT.studio_flow_sid:
        _end_all(settings.ENVIRONMENT.studio_flow_sid, conversation.address.address)


def _told(conversation: Conversation) -> tuple[str, str]:
    """By the client's last message that came by way of Studio."""
    last = conversation.events.filter(
        event_type="message_received", metadata__parameters__has_keys=["flow_sid", "execution_sid"]
    ).order_by("-seq")[:1]
    told: dict[str, Any] = next((event.metadata["parameters"] for event in last), {})
    return str(told.get("flow_sid", "")), str(told.get("execution_sid", ""))


def _end(flow: str, execution: str) -> None:
    with client.sorted_failures():
        try:
            client.twilio().studio.v2.flows(flow).executions(execution).update(status="ended")
        except TwilioRestException as error:
            if error.status not in GONE:
                raise


def _end_all(flow: str, address: str) -> None:
    with client.sorted_failures():
        active = client.twilio().studio.v2.flows(flow).executions.list(status="active", limit=1000)
    for execution in active:
        if execution.contact_channel_address == address:
            _end(flow, execution.sid)
