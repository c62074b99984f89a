"""Snoozing a conversation: the dialog with its choices, and what a program sends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from relais.action_errors import ActionRefused
from relais.conversations.models import Conversation
from relais.conversations.snooze import MAX_SNOOZE
from relais.conversations.snooze_times import CHOICES, choice_time, parse_until
from relais.conversations.states import UNTIL_REPLY
from relais.conversations.views import pages
from relais.conversations.views.responses import (
    dialog_response,
    get_conversation,
    refusal_response,
)
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.request_fields import text_field
from relais.web.responses import AgentRequest, agent_required
from relais.web.times import format_time


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def snooze(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    if request.method != "POST":
        return dialog_response(request, "conversations/_snooze_dialog.html", _dialog_context(conversation))
    refusal: ActionRefused | None = None
    try:
        _snooze(request, conversation)
    except ActionRefused as error:
        refusal = error
    if wants_json(request):
        if refusal:
            return refusal_response(request, refusal)
        return responses.success_response(until=_until(conversation))
    if request.htmx:
        return pages.panels_fragment(request, conversation, refusal)
    message = _message(conversation)
    target = ("active",) if conversation.is_snoozed and not refusal else ("chat", conversation.pk)
    return responses.redirect_with_message(request, *target, message=message, refusal=refusal)


def _snooze(request: AgentRequest, conversation: Conversation) -> None:
    text, at = text_field(request, "until").strip(), now()
    if text:
        conversation.snooze(parse_until(text, at=at), by=request.user, at=at)
    else:
        conversation.end_snooze(by=request.user, at=at)


def _dialog_context(conversation: Conversation) -> dict[str, Any]:
    at = now()
    times = {choice: choice_time(choice, at=at) for choice in CHOICES}
    local = timezone.localtime(at)
    return {
        "conversation": conversation,
        # Not « ce soir » when it has passed or comes before « dans une heure », and not Monday when that is tomorrow.
        "choices": [
            (choice, label, timezone.localtime(times[choice]))
            for choice, label in CHOICES.items()
            if times[choice] >= times["one-hour"]
            and not (choice == "monday" and times["tomorrow"] == times["monday"])
        ],
        "earliest": (local + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M"),
        "latest": (local + MAX_SNOOZE - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"),
    }


def _until(conversation: Conversation) -> str | None:
    if not conversation.is_snoozed:
        return None
    return conversation.snoozed_until.isoformat() if conversation.snoozed_until else UNTIL_REPLY


def _message(conversation: Conversation) -> str:
    if not conversation.is_snoozed:
        return _("La conversation n'est plus en pause.")
    if not conversation.snoozed_until:
        return _("En pause jusqu'à la réponse du client.")
    at = format_time(conversation.snoozed_until, "at", now=now())
    return _("En pause, rappel %(at)s.") % {"at": at}
