"""Publishes revisions, chooses the flow that answers clients, and changes SIDs."""

from __future__ import annotations

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from relais.accounts import audit
from relais.accounts.permissions import MANAGE_FLOWS, AuthenticatedRequest, role_required
from relais.flows.forms import SidForm
from relais.flows.models import Flow, NotPublished, NotStartedByMessages, Revision
from relais.flows.views.revision_context import has_errors, redirect_to_revision
from relais.web.not_found import get_or_404


@require_POST
@role_required(MANAGE_FLOWS)
def publish_revision(request: AuthenticatedRequest, pk: int, number: int) -> HttpResponse:
    revision = get_or_404(Revision, flow=pk, number=number)
    if has_errors(revision) and not request.POST.get("anyway"):
        messages.error(request, _("Cette révision a des erreurs. Cochez « Publier malgré les erreurs »."))
        return redirect_to_revision(revision)
    try:
        revision.publish(at=now())
    except NotStartedByMessages:
        messages.error(request, _not_started_by_messages())
        return redirect_to_revision(revision)
    audit.record("flow published", actor=request.user.pk, flow=revision.flow_id, revision=revision.pk)
    messages.success(
        request, _("Révision %(number)s publiée.") % {"number": number} + _running_notice(revision)
    )
    return redirect_to_revision(revision)


def _not_started_by_messages() -> str:
    return _(
        "Aucun message de client ne fait commencer cette révision : elle laisserait les clients sans réponse. "
        "Reliez « incomingMessage » de son départ."
    )


def _running_notice(revision: Revision) -> str:
    count = revision.flow.executions().active().exclude(revision=revision).count()
    if not count:
        return ""
    template = ngettext(
        "%(number)s conversation en cours finit sur la révision où elle a commencé.",
        "%(number)s conversations en cours finissent sur la révision où elles ont commencé.",
        count,
    )
    return " " + template % {"number": count}


@require_POST
@role_required(MANAGE_FLOWS)
def answer_clients(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    flow = get_or_404(Flow, pk=pk)
    try:
        flow.answer_clients()
    except NotPublished:
        messages.error(request, _("Publiez d'abord une révision de ce parcours."))
    except NotStartedByMessages:
        messages.error(request, _not_started_by_messages())
    else:
        audit.record("flow answers clients", actor=request.user.pk, flow=flow.pk)
        messages.success(request, _("« %(name)s » répond désormais aux clients.") % {"name": flow})
    return redirect("flow", pk)


@require_POST
@role_required(MANAGE_FLOWS)
def change_sid(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    flow = get_or_404(Flow, pk=pk)
    form = SidForm(request.POST, flow=flow)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for error in form.errors["sid"]))
        return redirect("flow", pk)
    try:
        with transaction.atomic():
            Flow.objects.filter(pk=pk).update(sid=form.cleaned_data["sid"])
    except IntegrityError:  # another admin was faster
        messages.error(request, _("Un autre parcours a déjà ce SID."))
    else:
        audit.record("flow SID changed", actor=request.user.pk, flow=flow.pk)
        messages.success(request, _("SID enregistré : les parcours qui lancent celui-ci le trouvent."))
    return redirect("flow", pk)
