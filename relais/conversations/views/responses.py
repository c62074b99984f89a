"""Responses about one conversation: finding it within reach, and refusals that say who holds it or how it ended."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render

from relais.action_errors import ActionRefused
from relais.clients.models import ClientNote
from relais.content_templates.rendering import VariablesMissing
from relais.conversations.errors import StateConflict
from relais.conversations.list_rows import tag_labels
from relais.conversations.models import Conversation
from relais.conversations.scheduled_messages import ScheduledMessage
from relais.web import responses
from relais.web.not_found import get_or_404
from relais.web.responses import AgentRequest


def get_conversation(request: AgentRequest, pk: int, *, for_client_panel: bool = False) -> Conversation:
    """The conversation, if it is within the user's reach; else 404. `for_client_panel` adds what that panel shows."""
    notes = ClientNote.objects.filter(client=OuterRef("client"))
    reachable = request.user.reachable_conversations().select_related("address", "client", "agent", "team")
    scheduled = ScheduledMessage.objects.changeable().filter(conversation=OuterRef("pk"))
    reachable = reachable.annotate(
        client_has_notes=Exists(notes), has_scheduled=Exists(scheduled), row_tags=tag_labels()
    )
    if for_client_panel:
        with_executions = Conversation.objects.filter(pk=OuterRef("pk"), executions__isnull=False)
        reachable = reachable.annotate(has_executions=Exists(with_executions))
    conversation: Conversation = get_or_404(reachable, pk=pk)
    return conversation


def refusal_code(request: AgentRequest, refusal: ActionRefused) -> str:
    """A conflict with oneself is a wrong state, not somebody else's conversation."""
    is_own = isinstance(refusal, StateConflict) and refusal.code == "held" and refusal.agent == request.user
    return "wrong_state" if is_own else refusal.code


def refusal_response(request: AgentRequest, refusal: ActionRefused) -> JsonResponse:
    """The refusal as JSON: a conflict names who holds the conversation, or how it ended."""
    if isinstance(refusal, VariablesMissing):
        return responses.refusal_response(refusal, variables=refusal.names)
    if not isinstance(refusal, StateConflict):
        return responses.refusal_response(refusal)
    return responses.refusal_response(
        refusal,
        code=refusal_code(request, refusal),
        status=refusal.status,
        agent=str(refusal.agent) if refusal.agent else None,
    )


def dialog_response(request: AgentRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """A dialog of a conversation: alone for `dialog_link.js`, else as a page."""
    is_fragment = request.headers.get("X-Requested-With") == "fetch"
    context |= {"is_fragment": is_fragment, "dialog_template": template}
    return render(request, template if is_fragment else "conversations/dialog_page.html", context)
