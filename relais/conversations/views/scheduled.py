"""Scheduled messages: the list of one's own, for supervisors of all, and editing and cancelling one."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from relais.action_errors import ActionRefused
from relais.content_templates.models import ContentTemplate
from relais.conversations import fragments
from relais.conversations.refusal_texts import withheld_sentence
from relais.conversations.scheduled_messages import ScheduledMessage, ScheduledState
from relais.conversations.template_variables import suggested_values, variable_fields
from relais.conversations.views.responses import dialog_response, refusal_response
from relais.conversations.views.schedule_fields import is_scheduled, schedule_times_context, send_at_field
from relais.conversations.views.scheduling import scheduled_fields, scheduled_response, window_warning
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.not_found import get_or_404
from relais.web.request_fields import has_field, text_field, text_object_field
from relais.web.responses import AgentRequest, agent_required

MAX_LISTED = 200
EDIT_TEMPLATE = "conversations/_edit_scheduled_dialog.html"


@require_safe
@agent_required
def scheduled_messages(request: AgentRequest) -> HttpResponse:
    """What will leave, the next first, and what was withheld and not put aside: one's own, or everyone's."""
    rows = ScheduledMessage.objects.visible_to(request.user).changeable()
    if not request.user.is_supervisor:
        rows = rows.filter(author=request.user)
    rows = rows.select_related("conversation__client", "conversation__address", "author")
    latest = list(rows.prefetch_related("files").order_by("send_at", "pk")[: MAX_LISTED + 1])
    listed = latest[:MAX_LISTED]
    if wants_json(request):
        return JsonResponse({"results": [_listed_fields(each) for each in listed]})
    context = {
        "upcoming": [_entry(each) for each in listed if each.state == ScheduledState.SCHEDULED],
        "withheld": [_entry(each) for each in listed if each.state == ScheduledState.WITHHELD][::-1],
        "has_more": len(latest) > MAX_LISTED,
    }
    return render(request, "conversations/scheduled.html", context)


@require_POST
@agent_required
def cancel(request: AgentRequest, pk: int) -> HttpResponse:
    scheduled = _get_scheduled(request, pk)
    refusal: ActionRefused | None = None
    try:
        scheduled.cancel(by=request.user, at=now())
    except ActionRefused as error:
        refusal = error
    if wants_json(request):
        if refusal:
            return refusal_response(request, refusal)
        return responses.success_response(**scheduled_fields(scheduled), html=fragments.scheduled(scheduled))
    message = _("Le message programmé est annulé.")
    target = (
        ("scheduled_messages",)
        if text_field(request, "from") == "list"
        else ("chat", scheduled.conversation_id)
    )
    return responses.redirect_with_message(request, *target, message=message, refusal=refusal)


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def edit(request: AgentRequest, pk: int) -> HttpResponse:
    """GET is the dialog."""
    scheduled = _get_scheduled(request, pk)
    if request.method != "POST":
        return _dialog(request, scheduled)
    at = now()
    try:
        scheduled.edit(
            by=request.user,
            at=at,
            send_at=send_at_field(request, at=at) if is_scheduled(request) else None,
            text=text_field(request, "message") if has_field(request, "message") else None,
            variables=text_object_field(request, "variables") or None,
        )
    except ActionRefused as refusal:
        if wants_json(request):
            return refusal_response(request, refusal)
        return _dialog(request, scheduled, refusal)
    return scheduled_response(request, scheduled)


def _get_scheduled(request: AgentRequest, pk: int) -> ScheduledMessage:
    visible = ScheduledMessage.objects.visible_to(request.user)
    related = visible.select_related("conversation__client", "conversation__address", "conversation__agent")
    scheduled: ScheduledMessage = get_or_404(related, pk=pk)
    return scheduled


def _dialog(
    request: AgentRequest, scheduled: ScheduledMessage, refusal: ActionRefused | None = None
) -> HttpResponse:
    typed = has_field(request, "message")
    context: dict[str, Any] = {
        "scheduled": scheduled,
        "conversation": scheduled.conversation,
        "refusal": refusal,
        "message": text_field(request, "message") if typed else scheduled.body,
        "is_mine": scheduled.author_id == request.user.pk and scheduled.is_changeable,
        **schedule_times_context(request, scheduled.conversation, send_at=scheduled.send_at),
        **_template_context(request, scheduled),
    }
    response = dialog_response(request, EDIT_TEMPLATE, context)
    if refusal:
        response.status_code = refusal.http_status
    return response


def _template_context(request: AgentRequest, scheduled: ScheduledMessage) -> dict[str, Any]:
    """That of `_template_fields.html`; nothing if the template has gone."""
    template = ContentTemplate.objects.filter(content_sid=scheduled.content_sid).first()
    if not scheduled.is_template or template is None:
        return {}
    values = scheduled.content_variables | text_object_field(request, "variables")
    card = suggested_values(scheduled.conversation.client, request.user)
    return {
        "template": template,
        "fields": [(field, values.get(field.name, "")) for field in variable_fields(template, card)],
        "card": card,
        "content": template.parsed,
        "preview": template.parsed.fill({name: value for name, value in values.items() if value}),
    }


def _entry(scheduled: ScheduledMessage) -> dict[str, Any]:
    return {
        "scheduled": scheduled,
        "warning": window_warning(scheduled),
        "why": withheld_sentence(scheduled.reason) if scheduled.reason else "",
    }


def _listed_fields(scheduled: ScheduledMessage) -> dict[str, Any]:
    return {
        **scheduled_fields(scheduled),
        "client": scheduled.conversation.client_name,
        "author": scheduled.author_name,
        "message": scheduled.body,
        "content_sid": scheduled.content_sid or None,
        "variables": scheduled.content_variables,
        "files": [each.filename for each in scheduled.files.all()],
        "error": withheld_sentence(scheduled.reason) if scheduled.reason else None,
        "outside_window": window_warning(scheduled) is not None,
    }
