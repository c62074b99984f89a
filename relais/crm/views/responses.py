"""Finding a client within reach, for the views of the room."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from relais.clients.models import Client
from relais.conversations.client_reach import clients_within_reach
from relais.web.errors import wants_json
from relais.web.responses import AgentRequest, agent_required, error_response

P = ParamSpec("P")
ClientView = Callable[Concatenate[AgentRequest, Client, P], HttpResponse]


def client_required(view: ClientView[P]) -> Callable[..., HttpResponse]:
    """Require a signed-in user, and give the view the client within reach that its URL names, else respond with 404."""

    @agent_required
    @wraps(view)
    def wrapper(request: AgentRequest, client_id: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        reachable = clients_within_reach(request.user).prefetch_related("addresses")
        client = reachable.filter(pk=int(client_id)).first()
        if client is None:
            return _redirect_to_kept(request, int(client_id)) or client_not_found(request)
        return view(request, client, *args, **kwargs)

    return wrapper


def _redirect_to_kept(request: AgentRequest, client_id: int) -> HttpResponse | None:
    """For the page of a client who was merged into another one."""
    merged = Client.all_objects.filter(pk=client_id).first()
    if merged is None or merged.merged_into_id is None or request.method not in ("GET", "HEAD"):
        return None
    return redirect("client", merged.merged_into_id)


def client_not_found(request: HttpRequest) -> HttpResponse:
    if not wants_json(request):
        raise Http404
    return error_response(404, "not_found", _("Ce client n'existe pas, ou n'est pas à votre portée."))
