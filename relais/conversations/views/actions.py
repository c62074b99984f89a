"""POST views: what agents do with a conversation. Each gets it within reach, calls one verb and responds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from relais.action_errors import ActionRefused
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.conversations.views import pages, scheduling
from relais.conversations.views.action_fields import (
    agent_field,
    event_field,
    files_to_send,
    notify_client_field,
    recipient_field,
    transfer_note_field,
    undo_seconds_field,
)
from relais.conversations.views.close_reason import close_reason_field
from relais.conversations.views.responses import get_conversation, refusal_response
from relais.conversations.views.schedule_fields import is_scheduled
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.request_fields import ref_field, text_field
from relais.web.responses import AgentRequest, agent_required

MAX_REASON_CHARACTERS = 500


@require_POST
@agent_required
def take_over(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    return _perform(request, conversation, lambda: conversation.take_over(request.user, at=now()))


@require_POST
@agent_required
def hand_back(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    reason = text_field(request, "reason")[:MAX_REASON_CHARACTERS]
    return _perform(
        request,
        conversation,
        lambda: conversation.hand_back(request.user, at=now(), reason=reason),
        message=_("La conversation est rendue au bot."),
    )


@require_POST
@agent_required
def reassign(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    return _perform(
        request,
        conversation,
        lambda: conversation.reassign(agent_field(request), by=request.user, at=now()),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def transfer(request: AgentRequest, pk: int) -> HttpResponse:
    """To an agent, who holds it then, or to a team, in which it waits. GET is the dialog."""
    conversation = get_conversation(request, pk)
    if request.method != "POST":
        return pages.transfer_dialog(request, conversation)
    return _perform(
        request,
        conversation,
        lambda: conversation.transfer(
            recipient_field(request), by=request.user, at=now(), note=transfer_note_field(request)
        ),
        message=_("La conversation est transférée."),
        redirect_to=("active",),
    )


@require_POST
@agent_required
def close(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    undo_seconds = undo_seconds_field(request)
    return _perform(
        request,
        conversation,
        lambda: conversation.close(
            request.user,
            at=now(),
            tell_client=notify_client_field(request),
            undo_seconds=undo_seconds,
            reason=close_reason_field(request),
        ),
        undo_url=reverse("reopen", args=[pk]) if undo_seconds else "",
        message=_("Conversation avec %(client)s clôturée.") % {"client": conversation.client_name},
        redirect_to=("active",),
    )


@require_POST
@agent_required
def reopen(request: AgentRequest, pk: int) -> HttpResponse:
    """Undo a closing, within seconds."""
    conversation = get_conversation(request, pk)
    return _perform(request, conversation, lambda: conversation.reopen(request.user, at=now()))


@require_POST
@agent_required
def send(request: AgentRequest, pk: int) -> HttpResponse:
    """A text, files, or both; as `multipart/form-data` when there are files. With a time it is scheduled."""
    conversation = get_conversation(request, pk)
    if is_scheduled(request):
        return scheduling.schedule_message(request, conversation)
    if known := scheduling.known_scheduled_response(request, conversation):
        return known
    text = text_field(request, "message")
    try:
        deliveries = _send(request, conversation, text)
    except ActionRefused as refusal:
        if wants_json(request):
            return refusal_response(request, refusal)
        # Render the page instead of redirecting to it: the text must not be lost.
        shown = get_conversation(request, pk, for_client_panel=True)
        return pages.chat_page(request, shown, draft=text, refusal=refusal)
    return deliveries_response(request, deliveries)


def _send(request: AgentRequest, conversation: Conversation, text: str) -> list[MessageDelivery]:
    at, ref, undo_seconds = now(), ref_field(request), undo_seconds_field(request)
    if known := conversation.deliveries.with_ref(ref):
        return conversation.deliveries_of_send(known.event)
    files = files_to_send(request, check=lambda: conversation.check_may_send(request.user, at=at), at=at)
    return conversation.send_files_as_agent(
        text, files, agent=request.user, at=now(), ref=ref, undo_seconds=undo_seconds
    )


@require_POST
@agent_required
def undo_send(request: AgentRequest, pk: int) -> HttpResponse:
    """Withdraw a message that is still held in the outbox."""
    conversation = get_conversation(request, pk)
    return _perform_on_event(
        request, conversation, lambda event: conversation.undo_send(event, agent=request.user, at=now())
    )


@require_POST
@agent_required
def resend(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    return _perform_on_event(
        request, conversation, lambda event: conversation.resend(event, agent=request.user, at=now())
    )


@require_POST
@agent_required
def confirm_arrival(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    return _perform_on_event(
        request, conversation, lambda event: conversation.confirm_arrival(event, agent=request.user, at=now())
    )


@require_POST
@agent_required
def mark_as_read(request: AgentRequest, pk: int) -> HttpResponse:
    """Mark as read: the page is open in front of its agent and something new arrived."""
    pages.mark_read(request, get_conversation(request, pk))
    return responses.success_response()


# -- responses --------------------------------------------------------------------------------------------


def _perform(
    request: AgentRequest,
    conversation: Conversation,
    action: Callable[[], None],
    message: str = "",
    redirect_to: tuple[str, ...] = (),
    undo_url: str = "",
) -> HttpResponse:
    """Call the verb and respond with the conversation's new state. Redirect to `redirect_to`, else to the chat page."""
    refusal = None
    try:
        action()
    except ActionRefused as error:
        refusal = error
    if wants_json(request):
        if refusal:
            return refusal_response(request, refusal)
        return responses.success_response(**_conversation_fields(conversation))
    if request.htmx:
        return pages.panels_fragment(request, conversation, refusal)
    target = redirect_to if redirect_to and not refusal else ("chat", conversation.pk)
    return responses.redirect_with_message(
        request, *target, message=message, undo_url=undo_url, refusal=refusal
    )


def _conversation_fields(conversation: Conversation) -> dict[str, Any]:
    return {
        "conversation_id": conversation.pk,
        "status": conversation.status,
        "agent": str(conversation.agent) if conversation.agent else None,
        "duration_seconds": conversation.duration_seconds,
    }


def _perform_on_event(
    request: AgentRequest, conversation: Conversation, action: Callable[[ConversationEvent], MessageDelivery]
) -> HttpResponse:
    try:
        return _delivery_response(request, action(event_field(request, conversation)))
    except MessageDelivery.DoesNotExist as missing:
        raise Http404 from missing
    except ActionRefused as refusal:
        if wants_json(request):
            return refusal_response(request, refusal)
        return responses.redirect_with_message(request, "chat", conversation.pk, refusal=refusal)


def _delivery_response(request: AgentRequest, delivery: MessageDelivery) -> HttpResponse:
    return deliveries_response(request, delivery.conversation.deliveries_of_send(delivery.event), delivery)


def deliveries_response(
    request: AgentRequest, deliveries: list[MessageDelivery], delivery: MessageDelivery | None = None
) -> HttpResponse:
    """About all messages of one send; the keys without a list are those of `delivery`, else of the first."""
    delivery = delivery or deliveries[0]
    if not wants_json(request):
        return responses.redirect_with_message(request, "chat", delivery.conversation_id)
    return responses.success_response(
        event_id=delivery.event_id,
        delivery_id=delivery.pk,
        status=delivery.state,
        message_sid=delivery.sid,
        html=pages.message_fragment(delivery),
        events=[
            {
                "event_id": each.event_id,
                "delivery_id": each.pk,
                "status": each.state,
                "message_sid": each.sid,
            }
            for each in deliveries
        ],
        **({"fragments": [pages.message_fragment(each) for each in deliveries]} if deliveries[1:] else {}),
    )
