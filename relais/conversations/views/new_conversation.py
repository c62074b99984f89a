"""« Nouvelle conversation »: a number or a client, and a template. A page of two steps, and JSON."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods

from relais.action_errors import ActionRefused
from relais.clients.models import Client
from relais.content_templates.models import ContentTemplate
from relais.conversations.client_reach import clients_within_reach
from relais.conversations.new_conversation import (
    AlreadyOpen,
    number_of,
    parse_number,
    start_conversation,
)
from relais.conversations.views.action_fields import undo_seconds_field
from relais.conversations.views.template_form import template_form_context
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.not_found import get_or_404
from relais.web.request_fields import parse_id, ref_field, search_query, text_field, text_object_field
from relais.web.responses import AgentRequest, agent_required


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def new_conversation(request: AgentRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, request.GET)
    try:
        client = _client(request, text_field(request, "client"))
        delivery = start_conversation(
            number_of(client) if client else parse_number(text_field(request, "phone_number")),
            agent=request.user,
            content_sid=text_field(request, "content_sid").strip(),
            variables=text_object_field(request, "variables"),
            at=now(),
            ref=ref_field(request),
            undo_seconds=undo_seconds_field(request),
        )
    except ActionRefused as refusal:
        return _refused(request, refusal)
    if wants_json(request):
        return responses.success_response(
            conversation_id=delivery.conversation_id, event_id=delivery.event_id, status=delivery.state
        )
    return redirect("chat", delivery.conversation_id)


def _refused(request: AgentRequest, refusal: ActionRefused) -> HttpResponse:
    conversation_id = refusal.conversation_id if isinstance(refusal, AlreadyOpen) else None
    if wants_json(request):
        names = {"variables": refusal.names} if hasattr(refusal, "names") else {}
        known = {"conversation_id": conversation_id} if conversation_id else {}
        return responses.refusal_response(refusal, **names, **known)
    if conversation_id:
        messages.info(request, str(refusal))
        return redirect("chat", conversation_id)
    return _page(request, request.POST, refusal=refusal)


def _client(request: AgentRequest, pk: str) -> Client | None:
    if not pk.strip():
        return None
    client: Client = get_or_404(clients_within_reach(request.user), pk=parse_id(pk))
    return client


def _page(request: AgentRequest, given: Any, *, refusal: ActionRefused | None = None) -> HttpResponse:
    client = _client(request, given.get("client", ""))
    approved = ContentTemplate.objects.approved().order_by("name", "language", "pk")
    template = approved.filter(content_sid=given.get("content_sid", "")).first()
    context: dict[str, Any] = {"client": client, "number": given.get("phone_number", ""), "refusal": refusal}
    if template and refusal is None:
        try:
            _ = number_of(client) if client else parse_number(context["number"])
        except ActionRefused as error:
            template, context["refusal"] = None, error
    if template is None:
        context["query"] = search_query(request)
        context["templates"] = approved.matching(context["query"])
    else:
        context |= template_form_context(request, template, client)
    status = context["refusal"].http_status if context["refusal"] else 200
    return render(request, "conversations/new_conversation.html", context, status=status)
