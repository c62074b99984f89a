"""The pages of macros, and their JSON for the command bar and for programs."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from relais.action_errors import ActionRefused, InvalidField
from relais.macros.forms import FIELDS, MacroForm
from relais.macros.models import Macro
from relais.macros.preview import fill_steps
from relais.macros.step_forms import (
    StepGroup,
    apply_command,
    choices_context,
    given_steps,
    posted_groups,
    stored_groups,
)
from relais.macros.step_rules import InvalidStep, clean_steps
from relais.quick_replies.permissions import parse_target
from relais.quick_replies.variables import VARIABLES, context_for
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.not_found import get_or_404
from relais.web.request_fields import id_field, search_query, text_field
from relais.web.responses import AgentRequest, agent_required

MAX_RESULTS = 20
PAGE_SIZE = 50


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def macros(request: AgentRequest) -> HttpResponse:
    """The list as a page; with `Accept: application/json`, a search, or the creation of one by POST."""
    if request.method == "POST":
        return _create(request)
    query = search_query(request)
    found = Macro.objects.visible_to(request.user).matching(query).ranked(query)
    if wants_json(request):
        return JsonResponse({"results": [macro_json(macro) for macro in found[:MAX_RESULTS]]})
    page = Paginator(found.select_related("team"), PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [(macro, macro.step_list(), macro.may_be_edited_by(request.user)) for macro in page]
    return render(request, "macros/macros.html", {"query": query, "page": page, "rows": rows})


def macro_json(macro: Macro) -> dict[str, Any]:
    return {
        "id": macro.pk,
        "shortcut": macro.shortcut,
        "title": macro.title,
        "steps": macro.steps,
        "scope": macro.scope,
        "uses": macro.use_count,
        "version": macro.version,
    }


# -- one macro ----------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def new_macro(request: AgentRequest) -> HttpResponse:
    if request.method == "POST":
        return _create(request)
    return _form_page(request, MacroForm(user=request.user), [])


def _create(request: AgentRequest) -> HttpResponse:
    if command := text_field(request, "command"):
        return _form_with_command(request, command)
    try:
        macro = Macro.create(by=request.user, **_fields(request), at=now())
    except ActionRefused as refusal:
        return _refused(request, refusal)
    if wants_json(request):
        return responses.success_response(**macro_json(macro))
    messages.success(request, _("Macro « %(title)s » créée.") % {"title": macro.title})
    return redirect("macros")


@require_http_methods(["GET", "HEAD", "POST", "DELETE"])
@agent_required
def macro(request: AgentRequest, pk: int) -> HttpResponse:
    macro = get_macro(request, pk)
    if request.method == "DELETE":
        return _delete(request, macro)
    if request.method == "POST":
        return _change(request, macro)
    if wants_json(request):
        return JsonResponse(macro_json(macro))
    initial = {"title": macro.title, "shortcut": macro.shortcut, "scope": macro.target.key}
    return _form_page(
        request, MacroForm(user=request.user, initial=initial), stored_groups(macro.steps), macro
    )


def get_macro(request: AgentRequest, pk: int) -> Macro:
    visible = Macro.objects.visible_to(request.user).select_related("team", "owner")
    macro: Macro = get_or_404(visible, pk=pk)
    return macro


def _change(request: AgentRequest, macro: Macro) -> HttpResponse:
    if command := text_field(request, "command"):
        return _form_with_command(request, command, macro)
    version = id_field(request, "version") or None
    try:
        macro.change(by=request.user, **_fields(request, macro), version=version, at=now())
    except ActionRefused as refusal:
        macro.refresh_from_db()
        return _refused(request, refusal, macro)
    if wants_json(request):
        return responses.success_response(**macro_json(macro))
    messages.success(request, _("Enregistré."))
    return redirect("macros")


@require_POST
@agent_required
def delete_macro(request: AgentRequest, pk: int) -> HttpResponse:
    return _delete(request, get_macro(request, pk))


def _delete(request: AgentRequest, macro: Macro) -> HttpResponse:
    refusal, message = None, _("Macro « %(title)s » supprimée.") % {"title": macro.title}
    try:
        macro.remove(by=request.user)
    except ActionRefused as error:
        refusal = error
    if wants_json(request):
        return responses.refusal_response(refusal) if refusal else responses.success_response()
    return responses.redirect_with_message(request, "macros", message=message, refusal=refusal)


@require_POST
@agent_required
def preview(request: AgentRequest) -> HttpResponse:
    """The steps of the form with a sample client, while they are being written."""
    return render(request, "macros/_form_preview.html", _preview_context(request, posted_groups(request)))


def _preview_context(request: AgentRequest, groups: list[StepGroup]) -> dict[str, Any]:
    try:
        steps = clean_steps([group.to_json() for group in groups], by=request.user) if groups else []
    except InvalidField as refusal:
        return {"preview_problem": str(refusal)}
    return {"preview": list(enumerate(fill_steps(steps, context_for(request.user)), start=1))}


def _fields(request: AgentRequest, macro: Macro | None = None) -> dict[str, Any]:
    """The fields of the form or of the JSON body; those that a change leaves out stay. Raises InvalidField."""
    given: dict[str, Any] = {name: text_field(request, name) for name in FIELDS}
    steps = given_steps(request)
    if macro is not None and wants_json(request):
        current = {"title": macro.title, "shortcut": macro.shortcut, "scope": macro.target.key}
        given = {name: value or current[name] for name, value in given.items()}
        steps = macro.steps if steps is None else steps
    return {"target": parse_target(given.pop("scope"), request.user), "steps": steps or [], **given}


def _refused(request: AgentRequest, refusal: ActionRefused, macro: Macro | None = None) -> HttpResponse:
    if wants_json(request):
        step = {"step": refusal.step} if isinstance(refusal, InvalidStep) else {}
        return responses.refusal_response(refusal, **step)
    form = _posted_form(request)
    form.show_refusal(refusal.code if isinstance(refusal, InvalidField) else None, str(refusal))
    return _form_page(request, form, posted_groups(request), macro, status=refusal.http_status)


def _posted_form(request: AgentRequest) -> MacroForm:
    return MacroForm({name: text_field(request, name) for name in FIELDS}, user=request.user)


def _form_with_command(request: AgentRequest, command: str, macro: Macro | None = None) -> HttpResponse:
    """Without scripts: the form again, with a step added, moved or removed. Nothing is stored."""
    form = MacroForm(user=request.user, initial={name: text_field(request, name) for name in FIELDS})
    return _form_page(request, form, apply_command(posted_groups(request), command), macro)


def _form_page(
    request: AgentRequest,
    form: MacroForm,
    groups: list[StepGroup],
    macro: Macro | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {
        "form": form,
        "groups": groups,
        "macro": macro,
        "may_edit": macro is None or macro.may_be_edited_by(request.user),
        "variables": VARIABLES,
        **choices_context(request.user),
        **_preview_context(request, groups),
    }
    return render(request, "macros/macro.html", context, status=status)
