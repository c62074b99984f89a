"""A question with buttons or a list under it: the dialog, the form without scripts, and what a program sends."""

from __future__ import annotations

import secrets
from typing import Any

from django.http import HttpResponse
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods

from relais.action_errors import ActionRefused
from relais.conversations.models import Conversation, MessageDelivery
from relais.conversations.views import scheduling
from relais.conversations.views.action_fields import undo_seconds_field
from relais.conversations.views.actions import deliveries_response
from relais.conversations.views.responses import dialog_response, get_conversation, refusal_response
from relais.conversations.views.schedule_fields import is_scheduled
from relais.web.choice_fields import choices_field, posted_fields
from relais.web.errors import wants_json
from relais.web.request_fields import ref_field, text_field
from relais.web.responses import AgentRequest, agent_required

TEMPLATE = "conversations/_choices_dialog.html"


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def send_choices(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    if request.method != "POST":
        return dialog_response(request, TEMPLATE, _dialog_context(request, conversation))
    try:
        if is_scheduled(request):
            return scheduling.schedule_choices(request, conversation, choices_field(request))
        if known := scheduling.known_scheduled_response(request, conversation):
            return known
        delivery = _send(request, conversation)
    except ActionRefused as refusal:
        if wants_json(request):
            return refusal_response(request, refusal)
        response = dialog_response(request, TEMPLATE, _dialog_context(request, conversation, refusal))
        response.status_code = refusal.http_status
        return response
    return deliveries_response(request, [delivery])


def _send(request: AgentRequest, conversation: Conversation) -> MessageDelivery:
    at, ref = now(), ref_field(request)
    if known := conversation.deliveries.with_ref(ref):
        return known
    return conversation.send_choices_as_agent(
        text_field(request, "message"),
        choices_field(request),
        agent=request.user,
        at=at,
        ref=ref,
        undo_seconds=undo_seconds_field(request),
    )


def _dialog_context(
    request: AgentRequest, conversation: Conversation, refusal: ActionRefused | None = None
) -> dict[str, Any]:
    return {
        "conversation": conversation,
        "refusal": refusal,
        "message": text_field(request, "message"),
        "ref": text_field(request, "ref") or secrets.token_urlsafe(16),
        "fields": posted_fields(request),
    }
