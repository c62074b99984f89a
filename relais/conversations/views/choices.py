"""A question with buttons or a list under it: the dialog, the form without scripts, and what a program sends."""

from __future__ import annotations

import secrets
from typing import Any

from django.http import HttpResponse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from relais import choices
from relais.action_errors import ActionRefused
from relais.choices import BUTTONS, Choices, InvalidChoices, parse_choices
from relais.conversations.models import Conversation, MessageDelivery
from relais.conversations.views.action_fields import undo_seconds_field
from relais.conversations.views.actions import deliveries_response
from relais.conversations.views.responses import dialog_response, get_conversation, refusal_response
from relais.web.errors import wants_json
from relais.web.request_fields import json_list_field, ref_field, text_field, text_list_field
from relais.web.responses import AgentRequest, agent_required

TEMPLATE = "conversations/_choices_dialog.html"


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def send_choices(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    if request.method != "POST":
        return dialog_response(request, TEMPLATE, _dialog_context(request, conversation))
    try:
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
    if ref and (known := conversation.deliveries.filter(ref=ref).first()):
        return known
    return conversation.send_choices_as_agent(
        text_field(request, "message"),
        _choices_field(request),
        agent=request.user,
        at=at,
        ref=ref,
        undo_seconds=undo_seconds_field(request),
    )


def _choices_field(request: AgentRequest) -> Choices:
    """`choices`, a JSON list; of the form without scripts `title` and `description`, once a row. Empty rows are left
    out. Raises InvalidChoices."""
    kind = text_field(request, "kind").strip() or BUTTONS
    items: Any = json_list_field(request, "choices")
    if items is None:
        items = [row for row in _rows(request) if any(row.values())]
        if text_field(request, "choices").strip():
            raise InvalidChoices(_("Les choix (choices) doivent être une liste JSON."))
    return parse_choices(kind, items, text_field(request, "button"))


def _rows(request: AgentRequest) -> list[dict[str, str]]:
    titles, descriptions = text_list_field(request, "title"), text_list_field(request, "description")
    descriptions += [""] * (len(titles) - len(descriptions))
    return [
        {"title": title.strip(), "description": description.strip()}
        for title, description in zip(titles, descriptions, strict=False)
    ]


def _dialog_context(
    request: AgentRequest, conversation: Conversation, refusal: ActionRefused | None = None
) -> dict[str, Any]:
    rows = _rows(request)
    rows += [{"title": "", "description": ""}] * (choices.MAX_CHOICES[choices.LIST] - len(rows))
    kind = text_field(request, "kind").strip()
    return {
        "conversation": conversation,
        "refusal": refusal,
        "message": text_field(request, "message"),
        "kind": kind if kind in choices.KINDS else BUTTONS,
        "button": text_field(request, "button"),
        "rows": rows,
        "ref": text_field(request, "ref") or secrets.token_urlsafe(16),
        "max_question": choices.MAX_QUESTION_CHARACTERS,
        "max_buttons": choices.MAX_CHOICES[BUTTONS],
        "max_items": choices.MAX_CHOICES[choices.LIST],
        "max_button_title": choices.MAX_TITLE_CHARACTERS[BUTTONS],
        "max_item_title": choices.MAX_TITLE_CHARACTERS[choices.LIST],
        "max_description": choices.MAX_DESCRIPTION_CHARACTERS,
        "max_list_button": choices.MAX_LIST_BUTTON_CHARACTERS,
    }
