"""POST /dashboard/next: as a form, or as JSON."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from relais.action_errors import ActionRefused
from relais.routing.next_client import NoNext, assign_next
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.responses import AgentRequest, agent_required


@require_POST
@agent_required
def next_client(request: AgentRequest) -> HttpResponse:
    try:
        assignment = assign_next(request.user, at=now())
    except ActionRefused as refusal:
        if wants_json(request):
            return responses.refusal_response(refusal)
        return responses.redirect_with_message(request, "pending", refusal=refusal)
    conversation = assignment.conversation
    message = "" if assignment.reason is None else _sentence(assignment.reason, request.user.capacity)
    if wants_json(request):
        if conversation is None:
            return responses.success_response(conversation=None, reason=assignment.reason, message=message)
        return responses.success_response(conversation=conversation.pk)
    if conversation is None:
        return responses.redirect_with_message(request, "pending", message=message)
    return responses.redirect_with_message(request, "chat", conversation.pk)


def _sentence(reason: NoNext, capacity: int) -> str:
    if reason is NoNext.AT_CAPACITY:
        return _("Votre capacité est atteinte (%(capacity)s).") % {"capacity": capacity}
    return _("Personne n'attend.")
