"""Imports flows and revisions, and exports a revision as a file."""

from __future__ import annotations

import json

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from relais.accounts import audit
from relais.accounts.permissions import MANAGE_FLOWS, AuthenticatedRequest, role_required
from relais.flows.forms import ImportForm, NewFlowForm
from relais.flows.models import Flow, Revision
from relais.flows.views.revision_context import redirect_to_revision
from relais.web.not_found import get_or_404


@role_required(MANAGE_FLOWS)
def import_flow(request: AuthenticatedRequest) -> HttpResponse:
    form = NewFlowForm(
        request.POST or None, request.FILES or None, initial={"sid": request.GET.get("sid", "")[:34]}
    )
    if not form.is_valid():
        return _import_page(request, form)
    try:
        with transaction.atomic():
            sid = form.cleaned_data["sid"]
            flow = Flow.objects.create(name=form.cleaned_data["name"], **({"sid": sid} if sid else {}))
            revision = flow.add_revision(form.definition, by=request.user.full_name, at=now())
            audit.record("flow imported", actor=request.user.pk, flow=flow.pk, revision=revision.pk)
    except IntegrityError:  # another admin was faster
        form.add_error("name", _("Un parcours porte déjà ce nom ou ce SID. Importez-y une révision."))
        return _import_page(request, form)
    return _imported(request, revision)


@role_required(MANAGE_FLOWS)
def import_revision(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    flow = get_or_404(Flow, pk=pk)
    form = ImportForm(request.POST or None, request.FILES or None)
    if not form.is_valid():
        return _import_page(request, form, flow)
    existing = flow.revisions.filter(definition=form.definition).first()
    if existing is not None:
        messages.info(request, _("C'est déjà la révision %(number)s.") % {"number": existing.number})
        return redirect_to_revision(existing)
    revision = flow.add_revision(form.definition, by=request.user.full_name, at=now())
    audit.record("flow imported", actor=request.user.pk, flow=flow.pk, revision=revision.pk)
    return _imported(request, revision)


def _import_page(request: AuthenticatedRequest, form: ImportForm, flow: Flow | None = None) -> HttpResponse:
    context = {"form": form, "flow": flow, "problems": form.problems}
    return render(request, "flows/import.html", context, status=422 if form.is_bound else 200)


def _imported(request: AuthenticatedRequest, revision: Revision) -> HttpResponse:
    template = _("Révision %(number)s importée en brouillon. Essayez-la, puis publiez-la.")
    messages.success(request, template % {"number": revision.number})
    return redirect_to_revision(revision)


@require_safe
@role_required(MANAGE_FLOWS)
def export_revision(request: AuthenticatedRequest, pk: int, number: int) -> HttpResponse:
    revision = get_or_404(Revision.objects.select_related("flow"), flow=pk, number=number)
    text = json.dumps(revision.definition, ensure_ascii=False, indent=2) + "\n"
    name = f"{slugify(revision.flow.name) or 'parcours'}-{revision.number}.json"
    return HttpResponse(
        text,
        content_type="application/json; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
