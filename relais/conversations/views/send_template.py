"""Choosing and sending a template: a dialog in the chat, a page of two steps without scripts, and JSON."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods

from relais.action_errors import ActionRefused
from relais.content_templates.models import ContentTemplate, TemplateSync
from relais.conversations.models import Conversation
from relais.conversations.views import scheduling
from relais.conversations.views.action_fields import undo_seconds_field
from relais.conversations.views.actions import deliveries_response
from relais.conversations.views.responses import dialog_response, get_conversation, refusal_response
from relais.conversations.views.schedule_fields import is_scheduled, schedule_times_context
from relais.conversations.views.template_form import template_form_context
from relais.web.errors import wants_json
from relais.web.not_found import get_or_404
from relais.web.request_fields import ref_field, search_query, text_field, text_object_field
from relais.web.responses import AgentRequest, agent_required

MAX_LISTED_TEMPLATES = 200


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def send_template(request: AgentRequest, pk: int) -> HttpResponse:
    """GET is the dialog: the list, or with `content_sid` the form of that template."""
    conversation = get_conversation(request, pk)
    if request.method != "POST":
        return _dialog(request, conversation, request.GET.get("content_sid", ""))
    content_sid = text_field(request, "content_sid").strip()
    try:
        if is_scheduled(request):
            return scheduling.schedule_template(request, conversation, content_sid)
        if known := scheduling.known_scheduled_response(request, conversation):
            return known
        delivery = conversation.send_template_as_agent(
            content_sid,
            text_object_field(request, "variables"),
            agent=request.user,
            at=now(),
            ref=ref_field(request),
            undo_seconds=undo_seconds_field(request),
        )
    except ActionRefused as refusal:
        if wants_json(request):
            return refusal_response(request, refusal)
        return _dialog(request, conversation, content_sid, refusal=refusal)
    return deliveries_response(request, conversation.deliveries_of_send(delivery.event))


def _dialog(
    request: AgentRequest,
    conversation: Conversation,
    content_sid: str,
    *,
    refusal: ActionRefused | None = None,
) -> HttpResponse:
    approved = ContentTemplate.objects.approved()
    context: dict[str, Any] = {"conversation": conversation, "refusal": refusal}
    template = approved.filter(content_sid=content_sid).first() if content_sid else None
    if content_sid and template is None and refusal is None:
        get_or_404(approved, content_sid=content_sid)
    if template is None:
        context |= _list_context(request)
    else:
        context |= template_form_context(request, template, conversation.client)
        context |= schedule_times_context(request, conversation)
    response = dialog_response(request, "conversations/_template_dialog.html", context)
    if refusal:
        response.status_code = refusal.http_status
    return response


def _list_context(request: AgentRequest) -> dict[str, Any]:
    query = search_query(request)
    templates = ContentTemplate.objects.approved().matching(query).order_by("name", "language", "pk")
    return {"query": query, "templates": templates[:MAX_LISTED_TEMPLATES], "sync": TemplateSync.current()}
