"""Finding a client within reach, for the views of the room."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from relais.clients.models import Client
from relais.crm.directory import clients_within_reach
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
            return client_not_found(request)
        return view(request, client, *args, **kwargs)

    return wrapper


def client_not_found(request: HttpRequest) -> HttpResponse:
    if not wants_json(request):
        raise Http404
    return error_response(404, "not_found", _("Ce client n'existe pas, ou n'est pas à votre portée."))
