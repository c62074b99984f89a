"""GET and POST of saved views of the list of all conversations."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_POST

from relais.action_errors import ActionRefused
from relais.conversations.models import SavedView
from relais.conversations.saved_views import delete_view, save_view, views_for
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.not_found import get_or_404
from relais.web.request_fields import text_field
from relais.web.responses import AgentRequest, agent_required


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def saved_views(request: AgentRequest) -> HttpResponse:
    if request.method != "POST":
        return JsonResponse({"results": [_as_json(view, request) for view in views_for(request.user)]})
    try:
        view = save_view(
            request.user,
            name=text_field(request, "name"),
            query=text_field(request, "query"),
            is_shared=text_field(request, "shared") in ("1", "true", "True", "on"),
            at=now(),
        )
    except ActionRefused as refusal:
        return _refused(request, refusal)
    if wants_json(request):
        return responses.success_response(view_id=view.pk, url=_url(view))
    return redirect(_url(view))


@require_POST
@agent_required
def delete_saved_view(request: AgentRequest, pk: int) -> HttpResponse:
    view = get_or_404(views_for(request.user), pk=pk)
    try:
        delete_view(view, by=request.user)
    except ActionRefused as refusal:
        return _refused(request, refusal)
    return responses.success_response() if wants_json(request) else redirect(_url(view))


def _refused(request: AgentRequest, refusal: ActionRefused) -> HttpResponse:
    if wants_json(request):
        return responses.refusal_response(refusal)
    return responses.redirect_with_message(request, "conversations", refusal=refusal)


def _url(view: SavedView) -> str:
    return f"{reverse('conversations')}?{view.query}"


def _as_json(view: SavedView, request: AgentRequest) -> dict[str, Any]:
    return {
        "id": view.pk,
        "name": view.name,
        "url": _url(view),
        "shared": view.is_shared,
        "own": view.owner_id == request.user.pk,
    }
