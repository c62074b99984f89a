"""Executions of a Studio flow at Twilio, ended when a person takes the conversation."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from twilio.base.exceptions import TwilioRestException

from relais.conversations.models import Conversation
from relais.whatsapp import client

GONE = (404, 409)
"""It ended by itself meanwhile."""
PAGE_SIZE = 1000


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
    executions = client.twilio().studio.v2.flows(flow).executions
    pages = client.read_pages(
        lambda: executions.page(status="active", page_size=PAGE_SIZE),
        retry_pauses=client.PAGE_RETRY_PAUSES_SECONDS,
    )
    of_client: list[str] = []
    try:
        for page in pages:
            of_client += [each.sid for each in page if each.contact_channel_address == address]
    finally:
        # Also when Twilio does not give the last pages: the job is tried again for the rest. Not while the pages are
        # read, since what ends leaves the list and shifts it.
        for execution in of_client:
            _end(flow, execution)
