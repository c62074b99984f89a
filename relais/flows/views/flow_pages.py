"""The list of flows, and the page of one flow with its revisions."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from relais.accounts.permissions import MANAGE_FLOWS, AuthenticatedRequest, role_required
from relais.flows.models import Flow, Revision
from relais.flows.views.revision_context import revision_context
from relais.web.not_found import get_or_404

MAX_NUMBER_DIGITS = 9


@require_safe
@role_required(MANAGE_FLOWS)
def flow_list(request: AuthenticatedRequest) -> HttpResponse:
    context = {"flows": Flow.objects.with_running(), "bot": settings.ENVIRONMENT.bot}
    return render(request, "flows/flows.html", context)


@require_safe
@role_required(MANAGE_FLOWS)
def flow_detail(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    flow = get_or_404(Flow, pk=pk)
    revision = _requested_revision(flow, request.GET.get("revision", ""))
    context = {
        "flow": flow,
        "revision": revision,
        "revisions": flow.revisions.with_running(),
        "published": flow.published,
        "missing_subflows": revision.missing_subflows() if revision else [],
        **revision_context(revision),
    }
    return render(request, "flows/flow.html", context)


def _requested_revision(flow: Flow, number: str) -> Revision | None:
    if not number:
        return flow.published or flow.latest
    if not (number.isascii() and number.isdigit() and len(number) <= MAX_NUMBER_DIGITS):
        raise Http404
    return get_or_404(flow.revisions, number=int(number))
