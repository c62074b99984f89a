"""Views of notes: add, edit, delete, the trace of one note, the reader's mentions, and whom he can mention."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from relais.action_errors import ActionRefused
from relais.notes import fragments
from relais.notes.models import Note, NoteMention, colleagues_for
from relais.notes.permissions import may_edit, may_read_history
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.not_found import get_or_404
from relais.web.request_fields import ref_field, text_field
from relais.web.responses import AgentRequest, agent_required

MENTIONS_PER_PAGE = 50


@require_POST
@agent_required
def add_note(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_or_404(request.user.reachable_conversations(), pk=pk)
    body = text_field(request, "body")
    try:
        note = Note.write(conversation, body, author=request.user, at=now(), ref=ref_field(request))
    except ActionRefused as refusal:
        if wants_json(request):
            return responses.refusal_response(refusal)
        context = {"action": reverse("add_note", args=[pk]), "back": reverse("chat", args=[pk])}
        return _form_page(request, context, body, refusal)
    return _note_response(request, note)


@require_http_methods(["GET", "HEAD", "POST", "DELETE"])
@agent_required
def note(request: AgentRequest, note: int) -> HttpResponse:
    """Its page (GET), an edit (POST), or its deletion (DELETE)."""
    found = _get_note(request, note)
    if request.method == "POST":
        return _edit(request, found)
    return _delete(request, found) if request.method == "DELETE" else _trace_page(request, found)


@require_POST
@agent_required
def delete_note(request: AgentRequest, note: int) -> HttpResponse:
    """As DELETE, for forms."""
    return _delete(request, _get_note(request, note))


@require_safe
@agent_required
def colleagues(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_or_404(request.user.reachable_conversations(), pk=pk)
    results = [
        {"id": user.pk, "name": str(user), "role": user.get_role_display()}
        for user in colleagues_for(conversation, request.user)
    ]
    return JsonResponse({"results": results})


@require_safe
@agent_required
def mentions(request: AgentRequest) -> HttpResponse:
    """The latest notes that mention the reader."""
    own = NoteMention.objects.within_reach_of(request.user).order_by("-id")
    related = own.select_related("note__conversation__client", "note__conversation__address")
    latest = list(related[:MENTIONS_PER_PAGE])
    if wants_json(request):
        return JsonResponse({"results": [_mention_fields(mention) for mention in latest]})
    return render(request, "notes/mentions.html", {"mentions": latest})


# -- helpers ----------------------------------------------------------------------------------------------


def _get_note(request: AgentRequest, pk: int) -> Note:
    notes = Note.objects.visible_to(request.user)
    return get_or_404(notes.select_related("conversation__client", "conversation__address"), pk=pk)


def _edit(request: AgentRequest, note: Note) -> HttpResponse:
    body = text_field(request, "body")
    try:
        note.edit(body, by=request.user, at=now())
    except ActionRefused as refusal:
        return (
            responses.refusal_response(refusal)
            if wants_json(request)
            else _trace_page(request, note, draft=body, refusal=refusal)
        )
    return _note_response(request, note)


def _delete(request: AgentRequest, note: Note) -> HttpResponse:
    try:
        note.remove(by=request.user, at=now())
    except ActionRefused as refusal:
        if wants_json(request):
            return responses.refusal_response(refusal)
        return _trace_page(request, note, refusal=refusal)
    return _note_response(request, note)


def _note_response(request: AgentRequest, note: Note) -> HttpResponse:
    if wants_json(request):
        return responses.success_response(note_id=note.pk, html=fragments.note(note))
    return responses.redirect_with_message(request, _note_url(note))


def _note_url(note: Note) -> str:
    return f"{reverse('chat', args=[note.conversation_id])}#note-{note.pk}"


def _trace_page(
    request: AgentRequest, note: Note, *, draft: str | None = None, refusal: ActionRefused | None = None
) -> HttpResponse:
    """The note with its earlier texts. The text of a deleted note is shown to supervisors only."""
    context = {
        "note": note,
        "back": _note_url(note),
        "is_editable": may_edit(note, request.user, at=now()),
        "revisions": note.revisions.all() if may_read_history(note, request.user) else (),
        "draft": note.body if draft is None else draft,
        "refusal": refusal,
    }
    return render(request, "notes/note.html", context, status=refusal.http_status if refusal else 200)


def _form_page(
    request: AgentRequest, context: dict[str, Any], draft: str, refusal: ActionRefused
) -> HttpResponse:
    """Without scripts: the form again with its text, which must not be lost."""
    context |= {"draft": draft, "ref": text_field(request, "ref"), "refusal": refusal}
    return render(request, "notes/add_note.html", context, status=refusal.http_status)


def _mention_fields(mention: NoteMention) -> dict[str, Any]:
    note = mention.note
    return {
        "note": note.pk,
        "conversation": note.conversation_id,
        "client": note.conversation.client_name,
        "by": note.author_name,
        "body": note.body,
        "at": mention.created_at.isoformat(),
        "is_read": mention.read_at is not None,
    }
