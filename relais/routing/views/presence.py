"""The user's own state: the dialog of the rail, and its JSON."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from relais.action_errors import ActionRefused
from relais.company import company_settings
from relais.routing.agent_states import current_state, load_of, set_state
from relais.routing.models import AgentState
from relais.routing.states import State
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.request_fields import text_field
from relais.web.responses import AgentRequest, agent_required


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def presence(request: AgentRequest) -> HttpResponse:
    if request.method == "POST":
        return _set(request)
    state = current_state(request.user, at=now())
    if wants_json(request):
        return responses.success_response(
            **_state_json(state), load=load_of(request.user), capacity=request.user.capacity
        )
    context = {
        "state": state,
        "states": State,
        "load": load_of(request.user),
        "reasons": company_settings.get_value(company_settings.BREAK_REASONS),
    }
    is_fragment = request.headers.get("X-Requested-With") == "fetch"
    template = "routing/_presence_dialog.html" if is_fragment else "routing/presence.html"
    return render(request, template, context | {"is_fragment": is_fragment})


def _set(request: AgentRequest) -> HttpResponse:
    refusal: ActionRefused | None = None
    try:
        state = set_state(
            request.user, text_field(request, "state"), reason=text_field(request, "reason"), at=now()
        )
    except ActionRefused as error:
        refusal = error
    if wants_json(request):
        if refusal:
            return responses.refusal_response(refusal)
        return responses.success_response(**_state_json(state))
    message = "" if refusal else _("Votre état : %(state)s.") % {"state": state.get_state_display()}
    return responses.redirect_with_message(request, "presence", message=message, refusal=refusal)


def _state_json(state: AgentState | None) -> dict[str, Any]:
    """Who was never there is offline since no moment."""
    if state is None:
        return {
            "state": State.OFFLINE.value,
            "reason": "",
            "cause": "",
            "since": None,
            "label": str(State.OFFLINE.label),
        }
    return {
        "state": state.state,
        "reason": state.reason,
        "cause": state.cause,
        "since": state.since.isoformat(),
        "label": str(State(state.state).label),
    }
