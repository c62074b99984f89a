"""GET and POST of the draft that a user has in one conversation."""

from __future__ import annotations

from django.http import HttpResponse, JsonResponse
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods

from relais.action_errors import ActionRefused
from relais.conversations.drafts import draft_of, save_draft
from relais.conversations.models import Conversation
from relais.conversations.views.responses import get_conversation
from relais.web.request_fields import ref_field, text_field
from relais.web.responses import AgentRequest, agent_required, refusal_response, success_response


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def draft(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    return _save(request, conversation) if request.method == "POST" else _show(request, conversation)


def _show(request: AgentRequest, conversation: Conversation) -> JsonResponse:
    draft = draft_of(request.user, conversation)
    return JsonResponse({"text": draft.text if draft else "", "saved_at": draft.saved_at if draft else None})


def _save(request: AgentRequest, conversation: Conversation) -> JsonResponse:
    try:
        save_draft(
            conversation, text_field(request, "text"), user=request.user, at=now(), ref=ref_field(request)
        )
    except ActionRefused as refusal:
        return refusal_response(refusal)
    # After the commit: a page that was rendered before it has the older text, and its time is earlier than this.
    return success_response(saved_at=now())
