"""Ends the executions of a Studio flow at Twilio, when an agent takes the conversation over."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from twilio.base.exceptions import TwilioRestException

from relais.conversations.models import Conversation
from relais.whatsapp import client

ALREADY_ENDED_STATUSES = (404, 409)
"""HTTP statuses of an execution that ended by itself."""
PAGE_SIZE = 1000


def end_executions(conversation_id: int) -> None:
    """End the execution that last called the hook `incoming`, else all active ones of this client in STUDIO_FLOW_SID.

    Raises client.OutcomeUnknown or client.RetryLater: retry then.
    """
    conversation = Conversation.objects.select_related("address").get(pk=conversation_id)
    flow, execution = _last_execution(conversation)
    if flow and execution:
        _end(flow, execution)
    elif settings.ENVIRONMENT.bot == "studio" and settings.ENVIRONMENT.studio_flow_sid:
        _end_all(settings.ENVIRONMENT.studio_flow_sid, conversation.address.address)


def _last_execution(conversation: Conversation) -> tuple[str, str]:
    """Flow and execution SID of the client's last message that came through Studio; empty when there is none."""
    last = conversation.events.filter(
        event_type="message_received", metadata__parameters__has_keys=["flow_sid", "execution_sid"]
    ).order_by("-seq")[:1]
    parameters: dict[str, Any] = next((event.metadata["parameters"] for event in last), {})
    return str(parameters.get("flow_sid", "")), str(parameters.get("execution_sid", ""))


def _end(flow: str, execution: str) -> None:
    with client.classify_errors():
        try:
            client.twilio().studio.v2.flows(flow).executions(execution).update(status="ended")
        except TwilioRestException as error:
            if error.status not in ALREADY_ENDED_STATUSES:
                raise


def _end_all(flow: str, address: str) -> None:
    executions = client.twilio().studio.v2.flows(flow).executions
    pages = client.read_pages(
        lambda: executions.page(status="active", page_size=PAGE_SIZE),
        retry_pauses=client.PAGE_RETRY_PAUSES_SECONDS,
    )
    executions_of_client: list[str] = []
    try:
        for page in pages:
            executions_of_client += [each.sid for each in page if each.contact_channel_address == address]
    finally:
        # Also when the last pages cannot be read: the job is retried for the rest. Not while paginating, since an
        # ended execution leaves the list and shifts its pages.
        for execution in executions_of_client:
            _end(flow, execution)
