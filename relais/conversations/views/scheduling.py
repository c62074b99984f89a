"""Scheduling a message: the dialog, and what `send`, `send-template` and `send-choices` do when a time is given."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from relais.action_errors import ActionRefused
from relais.choices import Choices
from relais.conversations import fragments
from relais.conversations.models import Conversation
from relais.conversations.scheduled_messages import ScheduledMessage
from relais.conversations.views.action_fields import files_to_send
from relais.conversations.views.responses import dialog_response, get_conversation, refusal_response
from relais.conversations.views.schedule_fields import schedule_times_context, send_at_field
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.request_fields import ref_field, text_field, text_object_field
from relais.web.responses import AgentRequest, agent_required
from relais.web.times import format_time

TEMPLATE = "conversations/_schedule_dialog.html"


@require_safe
@agent_required
def schedule_dialog(request: AgentRequest, pk: int) -> HttpResponse:
    return _dialog(request, get_conversation(request, pk))


def schedule_message(request: AgentRequest, conversation: Conversation) -> HttpResponse:
    """A text, files, or both."""
    try:
        scheduled = _schedule(request, conversation)
    except ActionRefused as refusal:
        if wants_json(request):
            return refusal_response(request, refusal)
        return _dialog(request, conversation, refusal)
    return scheduled_response(request, scheduled)


def schedule_choices(request: AgentRequest, conversation: Conversation, choices: Choices) -> HttpResponse:
    """Raises ActionRefused."""
    at = now()
    scheduled = conversation.schedule(
        text_field(request, "message"),
        choices=choices,
        agent=request.user,
        send_at=send_at_field(request, at=at),
        at=at,
        ref=ref_field(request),
    )
    return scheduled_response(request, scheduled)


def schedule_template(request: AgentRequest, conversation: Conversation, content_sid: str) -> HttpResponse:
    """Raises ActionRefused."""
    at = now()
    scheduled = conversation.schedule_template(
        content_sid,
        text_object_field(request, "variables"),
        agent=request.user,
        send_at=send_at_field(request, at=at),
        at=at,
        ref=ref_field(request),
    )
    return scheduled_response(request, scheduled)


def known_scheduled_response(request: AgentRequest, conversation: Conversation) -> HttpResponse | None:
    """The answer to a request without a time that repeats one with a time, by `ref`: nothing is sent twice."""
    scheduled = conversation.scheduled_messages.with_ref(text_field(request, "ref"))
    return scheduled_response(request, scheduled) if scheduled else None


def scheduled_response(request: AgentRequest, scheduled: ScheduledMessage) -> HttpResponse:
    """About a message that is scheduled; a repeated request gets what has become of it."""
    conversation = scheduled.conversation
    warning = window_warning(scheduled)
    if wants_json(request):
        return responses.success_response(
            **scheduled_fields(scheduled),
            event_id=scheduled.event_id,
            message_sid=None,
            events=[],
            warning=warning,
            html=fragments.scheduled(scheduled),
        )
    if scheduled.state == "scheduled":
        at = format_time(scheduled.send_at, "at", now=now())
        sentence = _("Message programmé %(at)s.") % {"at": at}
        undo_url = reverse("cancel_scheduled", args=[scheduled.pk])
        messages.success(request, sentence, extra_tags=undo_url)
        if warning:
            messages.warning(request, warning["error"])
    return redirect("chat", conversation.pk)


def scheduled_fields(scheduled: ScheduledMessage) -> dict[str, Any]:
    return {
        "scheduled_id": scheduled.pk,
        "conversation_id": scheduled.conversation_id,
        "send_at": scheduled.send_at.isoformat(),
        "status": scheduled.state,
        "reason": scheduled.reason or None,
    }


def window_warning(scheduled: ScheduledMessage) -> dict[str, Any] | None:
    """That WhatsApp will refuse it at its time, unless the client writes before; and what to do instead."""
    if scheduled.state != "scheduled":
        return None
    closes_at = scheduled.conversation.window_closes_at()
    if not scheduled.falls_outside_window(closes_at):
        return None
    return {
        "code": "outside_window",
        "error": _(
            "À cette heure, la fenêtre de 24 h sera fermée, sauf si le client écrit d'ici là : programmez plutôt "
            "un modèle."
        ),
        "window_closes_at": closes_at.isoformat() if closes_at else None,
        "template_url": reverse("send_template", args=[scheduled.conversation_id]),
    }


def _schedule(request: AgentRequest, conversation: Conversation) -> ScheduledMessage:
    at, ref = now(), ref_field(request)
    if known := conversation.scheduled_messages.with_ref(ref):
        return known
    send_at = send_at_field(request, at=at)
    files = files_to_send(
        request,
        check=lambda: conversation.check_may_schedule(request.user, send_at=send_at, at=at),
        at=at,
    )
    return conversation.schedule(
        text_field(request, "message"), files=files, agent=request.user, send_at=send_at, at=at, ref=ref
    )


def _dialog(
    request: AgentRequest, conversation: Conversation, refusal: ActionRefused | None = None
) -> HttpResponse:
    context = {
        "conversation": conversation,
        "refusal": refusal,
        "message": text_field(request, "message"),
        # The idempotency key: a double click schedules it once, even without scripts.
        "ref": text_field(request, "ref") or secrets.token_urlsafe(16),
        **schedule_times_context(request, conversation),
    }
    response = dialog_response(request, TEMPLATE, context)
    if refusal:
        response.status_code = refusal.http_status
    return response
