"""Macros in a conversation: choosing one, its preview, running it, undoing that."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from relais.action_errors import ActionRefused, InvalidField
from relais.conversations.models import Conversation
from relais.conversations.outgoing_text import clean_message
from relais.conversations.views.action_fields import undo_seconds_field
from relais.conversations.views.responses import dialog_response, get_conversation, refusal_response
from relais.macros.models import Macro, MacroRun
from relais.macros.preview import StepPreview, fill_steps, preview_steps
from relais.macros.steps import (
    STEP_TYPE_BY_KIND,
    CloseStep,
    NoteStep,
    SendStep,
    SnoozeStep,
    Step,
    TransferStep,
    with_text,
)
from relais.macros.views.pages import get_macro, macro_json
from relais.notes.models import clean_body
from relais.quick_replies.shortcut_items import EditConflict
from relais.quick_replies.variables import context_for
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.not_found import get_or_404
from relais.web.request_fields import id_field, ref_field, search_query, text_field
from relais.web.responses import AgentRequest, agent_required

MAX_LISTED_MACROS = 200
LEAVING_STEPS = (CloseStep, SnoozeStep, TransferStep)
"""After them the conversation is not on the agent's list any more, and the page goes back to that list."""


@require_safe
@agent_required
def picker(request: AgentRequest, pk: int) -> HttpResponse:
    """The dialog in which a macro is chosen."""
    conversation = get_conversation(request, pk)
    query = search_query(request)
    found = Macro.objects.visible_to(request.user).matching(query).ranked(query)[:MAX_LISTED_MACROS]
    context = {
        "conversation": conversation,
        "query": query,
        "macros": [(macro, macro.step_list()) for macro in found],
    }
    return dialog_response(request, "macros/_picker_dialog.html", context)


@require_safe
@agent_required
def preview(request: AgentRequest, pk: int, macro: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    found = get_macro(request, macro)
    steps = fill_steps(found.step_list(), context_for(request.user, conversation))
    previews = preview_steps(steps, conversation, by=request.user, at=now())
    if wants_json(request):
        return responses.success_response(
            macro=macro_json(found), steps=[_preview_json(each) for each in previews]
        )
    return _preview_dialog(request, conversation, found, previews)


def _preview_json(preview: StepPreview) -> dict[str, Any]:
    return {
        "step": preview.number,
        "type": preview.step.kind,
        "description": preview.step.describe(),
        "text": preview.text or None,
        "sent": preview.sent_texts,
        **({"files": names} if (names := preview.file_names) else {}),
        **({"choices": titles} if (titles := preview.choice_titles) else {}),
        "refused": {"code": preview.code, "error": preview.refusal} if preview.refusal else None,
    }


def _preview_dialog(
    request: AgentRequest,
    conversation: Conversation,
    macro: Macro,
    previews: list[StepPreview],
    refusal: ActionRefused | None = None,
) -> HttpResponse:
    first_refused = next((each for each in previews if each.refusal), None)
    context = {
        "conversation": conversation,
        "macro": macro,
        "previews": previews,
        "first_refused": first_refused.number if first_refused else None,
        "may_edit_to_run": first_refused is not None and first_refused.code in ("empty", "too_long"),
        "stays": not any(isinstance(each.step, LEAVING_STEPS) for each in previews),
        "ref": ref if (ref := text_field(request, "ref")) and not refusal else secrets.token_urlsafe(16),
        "refusal": refusal,
    }
    response = dialog_response(request, "macros/_preview_dialog.html", context)
    response.status_code = refusal.http_status if refusal else 200
    return response


# -- running it ---------------------------------------------------------------------------------------------


@require_POST
@agent_required
def run(request: AgentRequest, pk: int, macro: int) -> HttpResponse:
    try:
        ref = ref_field(request) or secrets.token_urlsafe(16)
    except InvalidField as refusal:
        return _refused(request, get_conversation(request, pk), get_macro(request, macro), refusal)
    # A run of this user may have taken the conversation out of his reach: a repeated request is answered all the same.
    known = MacroRun.objects.filter(conversation=pk, user=request.user, ref=ref).first()
    if known and known.is_finished:
        return _run_response(request, known)
    conversation, found = get_conversation(request, pk), get_macro(request, macro)
    steps = fill_steps(found.step_list(), context_for(request.user, conversation))
    try:
        if (version := id_field(request, "version")) and version != found.version:
            raise EditConflict(_("Cette macro a été modifiée entre-temps. Relisez-la avant de l'exécuter."))
        steps = _with_edited_texts(request, steps)
    except ActionRefused as refusal:
        return _refused(request, conversation, found, refusal)
    done = MacroRun.run(
        found,
        conversation,
        by=request.user,
        ref=ref,
        steps=steps,
        undo_seconds=undo_seconds_field(request),
        at=now(),
    )
    return _run_response(request, done)


class InvalidText(InvalidField):
    """An edited text that cannot be sent; nothing was done."""

    def __init__(self, step: int, refusal: ActionRefused) -> None:
        self.step = step
        super().__init__(
            refusal.code, _("Étape %(number)s : %(sentence)s") % {"number": step, "sentence": refusal}
        )


def _with_edited_texts(request: AgentRequest, steps: list[Step]) -> list[Step]:
    """`text-N` replaces the text of step N. All are checked before the first step runs. Raises InvalidText."""
    edited: list[Step] = []
    for number, step in enumerate(steps, start=1):
        if isinstance(step, SendStep | NoteStep):
            name = f"text-{number}"
            text = text_field(request, name) if _has_field(request, name) else step.text
            if isinstance(step, SendStep) and step.file_names and not text.strip():
                edited.append(with_text(step, ""))
                continue
            try:
                step = with_text(step, (clean_message if isinstance(step, SendStep) else clean_body)(text))
            except ActionRefused as refusal:
                raise InvalidText(number, refusal) from refusal
        edited.append(step)
    return edited


def _has_field(request: AgentRequest, name: str) -> bool:
    return name in request.POST or bool(text_field(request, name))


def _refused(
    request: AgentRequest, conversation: Conversation, macro: Macro, refusal: ActionRefused
) -> HttpResponse:
    """Nothing was done: the preview again, with what was typed."""
    if wants_json(request):
        step = getattr(refusal, "step", None)
        refused = {"step": step, "code": refusal.code, "error": str(refusal)}
        return responses.refusal_response(refusal, done=[], refused=refused)
    steps = fill_steps(macro.step_list(), context_for(request.user, conversation))
    for index, step in enumerate(steps):
        name = f"text-{index + 1}"
        if isinstance(step, SendStep | NoteStep) and name in request.POST:
            steps[index] = with_text(step, text_field(request, name))
    previews = preview_steps(steps, conversation, by=request.user, at=now())
    return _preview_dialog(request, conversation, macro, previews, refusal)


def _run_response(request: AgentRequest, run: MacroRun) -> HttpResponse:
    """JSON `{success, done, refused}`; for a form a redirect with what was done and what was not."""
    if wants_json(request):
        return _run_json(run)
    chat = ("chat", run.conversation_id)
    if run.refusal:
        messages.error(request, refused_sentence(run))
        is_reachable = request.user.reachable_conversations().filter(pk=run.conversation_id).exists()
        return redirect(*chat) if is_reachable else redirect("active")
    undo_url = reverse("undo_macro", args=[run.conversation_id, run.pk])
    messages.success(
        request,
        _("Macro « %(title)s » exécutée.") % {"title": run.title},
        extra_tags=undo_url if run.undo_seconds and run.has_closed else "",
    )
    kinds = {step["type"] for step in run.steps}
    return redirect("active") if kinds & {step.kind for step in LEAVING_STEPS} else redirect(*chat)


def _run_json(run: MacroRun) -> HttpResponse:
    fields: dict[str, Any] = {"done": run.done, "run": run.pk}
    if not run.refusal:
        return responses.success_response(**fields, refused=None)
    refused = {name: run.refusal[name] for name in ("step", "code", "error")}
    return responses.error_response(
        run.refusal["http_status"], refused["code"], refused_sentence(run), **fields, refused=refused
    )


def refused_sentence(run: MacroRun) -> str:
    """What was done, what was refused and why, what was left out."""
    number, label = run.refusal["step"], STEP_TYPE_BY_KIND[run.steps[run.refusal["step"] - 1]["type"]].label
    refused = _("Étape %(number)s (%(label)s) refusée : %(reason)s") % {
        "number": number,
        "label": label,
        "reason": run.refusal["error"],
    }
    if not run.done:
        return _("%(refused)s Rien n'a été fait.") % {"refused": refused}
    done = ngettext("Étape %(numbers)s faite.", "Étapes %(numbers)s faites.", len(run.done)) % {
        "numbers": ", ".join(map(str, run.done))
    }
    left_out = len(run.steps) - number
    rest = (
        ngettext("%(count)s étape reste à faire.", "%(count)s étapes restent à faire.", left_out)
        % {"count": left_out}
        if left_out
        else ""
    )
    return " ".join(part for part in (refused, done, rest) if part)


@require_POST
@agent_required
def undo(request: AgentRequest, pk: int, run: int) -> HttpResponse:
    """Within seconds, by who ran it: reopen the conversation and withdraw the texts. Notes and tags stay."""
    conversation = get_conversation(request, pk)
    found = get_or_404(MacroRun, pk=run, conversation=conversation, user=request.user)
    refusal: ActionRefused | None = None
    try:
        found.undo(by=request.user, at=now())
    except ActionRefused as error:
        refusal = error
    if wants_json(request):
        return refusal_response(request, refusal) if refusal else responses.success_response()
    message = _("Le client n'a rien reçu. Les notes et les étiquettes de la macro restent.")
    return responses.redirect_with_message(request, "chat", pk, message=message, refusal=refusal)
