"""Editing a client: fields and attributes in one form, tags, notes. Beside the chat and on the card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from relais.action_errors import ActionRefused
from relais.clients.limits import (
    MAX_ATTRIBUTE_NAME_CHARACTERS,
    MAX_ATTRIBUTE_VALUE_CHARACTERS,
    MAX_FIELD_CHARACTERS,
)
from relais.clients.models import ATTRIBUTE_PREFIX, Client, field_label
from relais.crm import editing
from relais.crm.card import client_card
from relais.crm.client_timeline import conversations_of_client
from relais.crm.errors import InvalidClientFields
from relais.crm.fields import FIELDS, as_text, clean_text, current_value
from relais.crm.views.responses import client_required
from relais.web.errors import wants_json
from relais.web.request_fields import parse_id, ref_field, text_field, text_list_field
from relais.web.responses import AgentRequest, redirect_with_message, refusal_response, success_response

SEEN_PREFIX = "seen:"
TAGS_FIELD = "tags"


@require_http_methods(["GET", "HEAD", "POST"])
@client_required
def edit(request: AgentRequest, client: Client) -> HttpResponse:
    """The form as a page or, for scripts, as a fragment. Fields that a request leaves out stay as they are."""
    if request.method != "POST":
        return _form(request, client)
    submitted = _submitted_fields(request)
    texts = {
        name: text for name, text in submitted.items() if name in FIELDS or name.startswith(ATTRIBUTE_PREFIX)
    }
    if new_name := clean_text(submitted.get("new_name", "")):
        texts[ATTRIBUTE_PREFIX + new_name] = submitted.get("new_value", "")
    seen = {
        name.removeprefix(SEEN_PREFIX): text
        for name, text in submitted.items()
        if name.startswith(SEEN_PREFIX)
    }
    try:
        editing.edit_client(client, texts, seen=seen, by=request.user, at=now())
        if TAGS_FIELD in submitted:
            _set_tags(request, client, submitted[TAGS_FIELD])
    except ActionRefused as refusal:
        if wants_json(request):
            errors = refusal.errors if isinstance(refusal, InvalidClientFields) else {}
            return refusal_response(refusal, errors=errors)
        return _form(request, client, submitted, refusal)
    return _done(request, client, _("Enregistré."))


@require_POST
@client_required
def tags(request: AgentRequest, client: Client) -> HttpResponse:
    return _perform(
        request,
        client,
        lambda: {
            "tags": editing.change_tags(
                client,
                add=text_list_field(request, "add"),
                remove=text_list_field(request, "remove"),
                by=request.user,
                at=now(),
            )
        },
    )


@require_POST
@client_required
def notes(request: AgentRequest, client: Client) -> HttpResponse:
    def add() -> dict[str, Any]:
        note = editing.add_note(
            client, text_field(request, "body"), by=request.user, at=now(), ref=ref_field(request)
        )
        return {"note_id": note.pk}

    return _perform(request, client, add)


@require_http_methods(["POST", "DELETE"])
@client_required
def delete_note(request: AgentRequest, client: Client, note_id: str) -> HttpResponse:
    note = client.notes.filter(pk=int(note_id)).first()
    if note is None:
        raise Http404

    def delete() -> dict[str, Any]:
        editing.delete_note(note, by=request.user, at=now())
        return {}

    return _perform(request, client, delete)


@require_safe
@client_required
def details(request: AgentRequest, client: Client) -> HttpResponse:
    """The data of the client as a fragment: what the form is replaced by."""
    return _details(request, client)


# -- helpers -------------------------------------------------------------------------------------------------


def _perform(request: AgentRequest, client: Client, action: Callable[[], dict[str, Any]]) -> HttpResponse:
    try:
        fields = action()
    except ActionRefused as refusal:
        if wants_json(request):
            return refusal_response(refusal)
        if _is_fragment(request):
            return _details(request, client, refusal)
        return redirect_with_message(request, *_return_to(request, client), refusal=refusal)
    if wants_json(request):
        return success_response(**fields)
    return _done(request, client)


def _done(request: AgentRequest, client: Client, message: str = "") -> HttpResponse:
    if wants_json(request):
        client = Client.objects.prefetch_related("addresses", "notes").get(pk=client.pk)
        return success_response(client=client_card(client, conversations_of_client(request.user, client)))
    if _is_fragment(request):
        return _details(request, Client.objects.get(pk=client.pk))
    return redirect_with_message(request, *_return_to(request, client), message=message)


def _set_tags(request: AgentRequest, client: Client, text: str) -> None:
    """The tags become those of a text with commas."""
    wanted = {name.casefold(): name for part in text.split(",") if (name := clean_text(part))}
    current = {name.casefold(): name for name in client.tags}
    editing.change_tags(
        client,
        add=[name for key, name in wanted.items() if key not in current],
        remove=[name for key, name in current.items() if key not in wanted],
        by=request.user,
        at=now(),
    )


def _submitted_fields(request: HttpRequest) -> dict[str, str]:
    """All fields of the request, of a form or a JSON body; there `attributes` may be an object."""
    if request.content_type != "application/json":
        return {name: str(text) for name, text in request.POST.items()}
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    fields: dict[str, Any] = dict(body) if isinstance(body, dict) else {}
    attributes = fields.pop("attributes", {})
    if isinstance(attributes, dict):
        fields |= {ATTRIBUTE_PREFIX + name: value for name, value in attributes.items()}
    return {name: as_text(value) for name, value in fields.items() if not isinstance(value, dict | list)}


def _is_fragment(request: HttpRequest) -> bool:
    return request.headers.get("X-Requested-With") == "fetch"


def _conversation_id(request: AgentRequest) -> int:
    """The conversation beside which the client is edited; 0 on the card."""
    return parse_id(request.GET.get("conversation", ""))


def _return_to(request: AgentRequest, client: Client) -> tuple[Any, ...]:
    conversation = _conversation_id(request)
    return ("chat", conversation) if conversation else ("client", client.pk)


def _details(request: AgentRequest, client: Client, refusal: ActionRefused | None = None) -> HttpResponse:
    context = {"client": client, "conversation_id": _conversation_id(request), "refusal": refusal}
    return render(request, "crm/_details.html", context, status=refusal.http_status if refusal else 200)


def _form(
    request: AgentRequest,
    client: Client,
    submitted: Mapping[str, str] | None = None,
    refusal: ActionRefused | None = None,
) -> HttpResponse:
    client = Client.objects.prefetch_related("addresses").filter(pk=client.pk).first() or client
    submitted = submitted or {}
    errors = refusal.errors if isinstance(refusal, InvalidClientFields) else {}
    names = [*FIELDS, *(ATTRIBUTE_PREFIX + name for name in client.attributes)]
    fields = [_form_field(client, name, submitted, errors) for name in names]
    context = {
        "client": client,
        "fields": {each["name"]: each for each in fields if each["name"] in FIELDS},
        "attributes": [each for each in fields if each["name"] not in FIELDS],
        "tags": submitted.get(TAGS_FIELD, ", ".join(client.tags)),
        "new_name": submitted.get("new_name", ""),
        "max_name_characters": MAX_ATTRIBUTE_NAME_CHARACTERS,
        "max_value_characters": MAX_ATTRIBUTE_VALUE_CHARACTERS,
        "new_value": submitted.get("new_value", ""),
        "refusal": refusal if not errors or errors.keys() - set(names) else None,
        "conversation_id": _conversation_id(request),
    }
    template = "crm/_edit_form.html" if _is_fragment(request) else "crm/edit.html"
    return render(request, template, context, status=refusal.http_status if refusal else 200)


def _form_field(
    client: Client, name: str, submitted: Mapping[str, str], errors: Mapping[str, str]
) -> dict[str, Any]:
    value = as_text(current_value(client, name))
    return {
        "name": name,
        "label": field_label(name),
        "value": submitted.get(name, value),
        "seen": value,
        "error": errors.get(name, ""),
        "max_characters": MAX_FIELD_CHARACTERS.get(name, MAX_ATTRIBUTE_VALUE_CHARACTERS),
    }
