"""Tries a revision in the browser: the admin plays the client."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.utils.translation import gettext as _

from relais.accounts.permissions import MANAGE_FLOWS, AuthenticatedRequest, role_required
from relais.flows import engine
from relais.flows.models import Revision
from relais.flows.parsed_revisions import parsed_flow, published_subflows
from relais.flows.trial import ONE_HOUR, Trial, TrialState, load_signed_state, new_trial_state
from relais.flows.views.revision_context import redirect_to_revision, revision_context
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.web.not_found import get_or_404


@role_required(MANAGE_FLOWS)
def try_revision(request: AuthenticatedRequest, pk: int, number: int) -> HttpResponse:
    revision = get_or_404(Revision.objects.select_related("flow"), flow=pk, number=number)
    state = None
    if "restart" not in request.POST:
        state = load_signed_state(request.POST.get("memory", ""), revision=revision.pk)
    try:
        trial = _trial(revision, state or new_trial_state(revision.pk, at=now()))
    except engine.InvalidFlow:
        messages.error(request, _("Cette révision ne peut plus être exécutée."))
        return redirect_to_revision(revision)
    message = request.POST.get("say", "").strip()[:MAX_MESSAGE_CHARACTERS]
    if "pass" in request.POST:
        trial.advance_time(ONE_HOUR)
    elif message and "restart" not in request.POST:
        trial.receive_message(message)
    context = {
        "flow": revision.flow,
        "revision": revision,
        "trial": trial,
        "lines": list(reversed(trial.lines)),
        "memory": trial.signed_state(),
        "max_characters": MAX_MESSAGE_CHARACTERS,
        **revision_context(revision, path=trial.path),
    }
    return render(request, "flows/trial.html", context)


def _trial(revision: Revision, state: TrialState) -> Trial:
    """Raises InvalidFlow if the definition can no longer be parsed."""
    flow = parsed_flow(revision)
    zone = revision.flow.zone or settings.TIME_ZONE
    return Trial(flow, state, zone, published_subflows(flow))
