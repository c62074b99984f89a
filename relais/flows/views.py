"""Flows, for administrators: the list, a flow and its revisions, import, export, publishing, and trying one."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from relais.accounts import audit
from relais.accounts.permissions import AuthenticatedRequest, role_required
from relais.accounts.roles import Role
from relais.flows import check, engine, trial
from relais.flows.drawing import draw
from relais.flows.engine import Problem
from relais.flows.execution_path import route
from relais.flows.forms import ImportForm, NewFlowForm, SidForm
from relais.flows.labels import KINDS, UNKNOWN_KIND, texts
from relais.flows.models import Flow, NotPublished, NotStartedByMessages, Revision
from relais.flows.runner import parsed, published_subflows
from relais.text import MAX_MESSAGE_CHARACTERS

ICONS = sorted({icon for _name, icon in (*KINDS.values(), UNKNOWN_KIND)})


@require_safe
@role_required(Role.ADMIN)
def flows(request: AuthenticatedRequest) -> HttpResponse:
    shown = {"flows": Flow.objects.with_running(), "bot": settings.ENVIRONMENT.bot}
    return render(request, "flows/flows.html", shown)


@require_safe
@role_required(Role.ADMIN)
def flow(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Flow, pk=pk)
    revision = _asked_revision(found, request.GET.get("revision", ""))
    shown = {
        "flow": found,
        "revision": revision,
        "revisions": found.revisions.with_running(),
        "published": found.published,
        "missing_subflows": revision.missing_subflows() if revision else [],
        **_drawn(revision),
    }
    return render(request, "flows/flow.html", shown)


# -- bringing in and taking out ---------------------------------------------------------------------------


@role_required(Role.ADMIN)
def import_flow(request: AuthenticatedRequest) -> HttpResponse:
    form = NewFlowForm(
        request.POST or None, request.FILES or None, initial={"sid": request.GET.get("sid", "")[:34]}
    )
    if not form.is_valid():
        return _import_page(request, form)
    try:
        with transaction.atomic():
            sid = form.cleaned_data["sid"]
            made = Flow.objects.create(name=form.cleaned_data["name"], **({"sid": sid} if sid else {}))
            revision = made.add_revision(form.definition, by=request.user.full_name, at=now())
            audit.record("flow imported", actor=request.user.pk, flow=made.pk, revision=revision.pk)
    except IntegrityError:  # of two admins at once, one came first
        form.add_error("name", _("Un parcours porte déjà ce nom ou ce SID. Importez-y une révision."))
        return _import_page(request, form)
    return _imported(request, revision)


@role_required(Role.ADMIN)
def import_revision(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Flow, pk=pk)
    form = ImportForm(request.POST or None, request.FILES or None)
    if not form.is_valid():
        return _import_page(request, form, found)
    same = found.revisions.filter(definition=form.definition).first()
    if same is not None:
        messages.info(request, _("C'est déjà la révision %(number)s.") % {"number": same.number})
        return _to_revision(same)
    revision = found.add_revision(form.definition, by=request.user.full_name, at=now())
    audit.record("flow imported", actor=request.user.pk, flow=found.pk, revision=revision.pk)
    return _imported(request, revision)


def _import_page(request: AuthenticatedRequest, form: ImportForm, found: Flow | None = None) -> HttpResponse:
    shown = {"form": form, "flow": found, "problems": form.problems}
    return render(request, "flows/import.html", shown, status=422 if form.is_bound else 200)


def _imported(request: AuthenticatedRequest, revision: Revision) -> HttpResponse:
    said = _("Révision %(number)s importée en brouillon. Essayez-la, puis publiez-la.")
    messages.success(request, said % {"number": revision.number})
    return _to_revision(revision)


@require_safe
@role_required(Role.ADMIN)
def export(request: AuthenticatedRequest, pk: int, number: int) -> HttpResponse:
    revision = get_object_or_404(Revision.objects.select_related("flow"), flow=pk, number=number)
    text = json.dumps(revision.definition, ensure_ascii=False, indent=2) + "\n"
    name = f"{slugify(revision.flow.name) or 'parcours'}-{revision.number}.json"
    return HttpResponse(
        text,
        content_type="application/json; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


# -- publishing -------------------------------------------------------------------------------------------


@require_POST
@role_required(Role.ADMIN)
def publish(request: AuthenticatedRequest, pk: int, number: int) -> HttpResponse:
    revision = get_object_or_404(Revision, flow=pk, number=number)
    if _errors(revision) and not request.POST.get("anyway"):
        messages.error(request, _("Cette révision a des erreurs. Cochez « Publier malgré les erreurs »."))
        return _to_revision(revision)
    try:
        revision.publish(at=now())
    except NotStartedByMessages:
        messages.error(request, _no_message_starts())
        return _to_revision(revision)
    audit.record("flow published", actor=request.user.pk, flow=revision.flow_id, revision=revision.pk)
    messages.success(request, _("Révision %(number)s publiée.") % {"number": number} + _who_stays(revision))
    return _to_revision(revision)


def _no_message_starts() -> str:
    return _(
        "Aucun message de client ne fait commencer cette révision : elle laisserait les clients sans réponse. "
        "Reliez « incomingMessage » de son départ."
    )


def _who_stays(revision: Revision) -> str:
    staying = revision.flow.executions().active().exclude(revision=revision).count()
    if not staying:
        return ""
    said = ngettext(
        "%(number)s conversation en cours finit sur la révision où elle a commencé.",
        "%(number)s conversations en cours finissent sur la révision où elles ont commencé.",
        staying,
    )
    return " " + said % {"number": staying}


@require_POST
@role_required(Role.ADMIN)
def answer_clients(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Flow, pk=pk)
    try:
        found.answer_clients()
    except NotPublished:
        messages.error(request, _("Publiez d'abord une révision de ce parcours."))
    except NotStartedByMessages:
        messages.error(request, _no_message_starts())
    else:
        audit.record("flow answers clients", actor=request.user.pk, flow=found.pk)
        messages.success(request, _("« %(name)s » répond désormais aux clients.") % {"name": found})
    return redirect("flow", pk)


@require_POST
@role_required(Role.ADMIN)
def change_sid(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Flow, pk=pk)
    form = SidForm(request.POST, flow=found)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for error in form.errors["sid"]))
        return redirect("flow", pk)
    try:
        with transaction.atomic():
            Flow.objects.filter(pk=pk).update(sid=form.cleaned_data["sid"])
    except IntegrityError:  # of two admins at once, one came first
        messages.error(request, _("Un autre parcours a déjà ce SID."))
    else:
        audit.record("flow SID changed", actor=request.user.pk, flow=found.pk)
        messages.success(request, _("SID enregistré : les parcours qui lancent celui-ci le trouvent."))
    return redirect("flow", pk)


# -- trying -----------------------------------------------------------------------------------------------


@role_required(Role.ADMIN)
def attempt(request: AuthenticatedRequest, pk: int, number: int) -> HttpResponse:
    revision = get_object_or_404(Revision.objects.select_related("flow"), flow=pk, number=number)
    memory = trial.opened(request.POST.get("memory", ""), revision=revision.pk)
    tried = _trial(revision, memory or trial.fresh(revision.pk, at=now()))
    if tried is None:
        messages.error(request, _("Cette révision ne peut plus être exécutée."))
        return _to_revision(revision)
    said = request.POST.get("say", "").strip()[:MAX_MESSAGE_CHARACTERS]
    if "pass" in request.POST:
        tried.let_pass(trial.AN_HOUR)
    elif said and "restart" not in request.POST:
        tried.hear(said)
    elif "restart" in request.POST:
        tried = _trial(revision, trial.fresh(revision.pk, at=now())) or tried
    shown = {
        "flow": revision.flow,
        "revision": revision,
        "trial": tried,
        "lines": list(reversed(tried.lines)),
        "memory": trial.sealed(tried.memory),
        **_drawn(revision, path=tried.memory["path"]),
    }
    return render(request, "flows/trial.html", shown)


def _trial(revision: Revision, memory: trial.Memory) -> trial.Trial | None:
    try:
        definition = parsed(revision)
    except engine.BadFlow:
        return None
    zone = revision.flow.zone or settings.TIME_ZONE
    return trial.Trial(definition, memory, zone, published_subflows(definition))


# -- helpers ----------------------------------------------------------------------------------------------


def _asked_revision(found: Flow, number: str) -> Revision | None:
    if not number:
        return found.published or found.latest
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise Http404
    return get_object_or_404(found.revisions, number=int(number))


def _to_revision(revision: Revision) -> HttpResponse:
    address = redirect("flow", revision.flow_id)["Location"]
    return redirect(f"{address}?revision={revision.number}")


def _drawn(revision: Revision | None, *, path: list[str] | None = None) -> dict[str, Any]:
    """What `_drawing.html` and the report need. A definition of older days may not be read any more."""
    if revision is None:
        return {}
    problems = _problems(revision)
    by_state: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_state[problem.state].append(problem)
    shown: dict[str, Any] = {
        "problems": problems,
        "verdicts": _checked(revision.pk).verdicts,
        "errors": sum(problem.level == "error" for problem in problems),
        "warnings": sum(problem.level == "warning" for problem in problems),
        "problems_of": dict(by_state),
        "icons": ICONS,
    }
    try:
        definition = parsed(revision)
    except engine.BadFlow:
        return shown
    way = route(definition, path) if path is not None else None
    return shown | {"drawing": draw(definition, way), "route": way, "texts": texts(definition)}


@lru_cache(maxsize=16)
def _checked(revision_id: int) -> check.Report:
    """A revision never changes, and what is wrong with it is asked for on each of its pages."""
    return check.examine(Revision.objects.get(pk=revision_id).definition)


def _problems(revision: Revision) -> tuple[Problem, ...]:
    return _checked(revision.pk).problems


def _errors(revision: Revision) -> bool:
    return any(problem.level == "error" for problem in _problems(revision))
