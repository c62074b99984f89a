"""The page of quick replies, and their JSON for the composer and for programs."""

from __future__ import annotations

from typing import Any, TypedDict, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.timezone import localdate, now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from relais.accounts import audit
from relais.accounts.models import User
from relais.action_errors import ActionRefused, InvalidField
from relais.choices import LIST, Choices, InvalidChoices, check_question
from relais.files.channel_types import MAX_FILES_PER_SEND, accept_attribute
from relais.files.uploads import OutgoingFile, store_uploads, upload_refusal
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.quick_replies import csv_files
from relais.quick_replies.csv_files import ImportAction, ImportRow
from relais.quick_replies.forms import FIELDS, QuickReplyForm
from relais.quick_replies.models import QuickReply, too_long_sentence
from relais.quick_replies.permissions import parse_target, visible_to
from relais.quick_replies.reply_files import QuickReplyFile, file_json, outgoing_files
from relais.quick_replies.variables import VARIABLES, FillContext, context_for, fill, unknown_variables
from relais.web import responses
from relais.web.choice_fields import posted_fields, saved_choices_field, stored_fields
from relais.web.errors import wants_json
from relais.web.not_found import get_or_404
from relais.web.request_fields import has_field, id_field, parse_id, search_query, text_field, text_list_field
from relais.web.responses import AgentRequest, agent_required

CHOICE_PREFIX = "choice_"
"""Of the fields of choices in the form, which has a `title` of its own."""
MAX_RESULTS = 20
PAGE_SIZE = 50
MAX_PREVIEW_ROWS = 200
INLINE_TYPES = ("image/", "video/", "audio/", "application/pdf")
FILE_CHUNK_BYTES = 4096
"""Of this size a bounded number waits for a slow reader: `SEND_QUEUE_CHUNKS` in `http_server/django_bridge.py`."""


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def quick_replies(request: AgentRequest) -> HttpResponse:
    """The list as a page; with `Accept: application/json`, a search, or the creation of one by POST."""
    if request.method == "POST":
        return _create(request)
    query = search_query(request)
    replies = QuickReply.objects.visible_to(request.user).matching(query).ranked(query).with_files()
    if wants_json(request):
        conversation = _conversation(request, request.GET.get("conversation", ""))
        context = context_for(request.user, conversation) if conversation else None
        results = [_reply_json(reply, request.user, context) for reply in replies[:MAX_RESULTS]]
        return JsonResponse({"results": results})
    page = Paginator(replies.select_related("team"), PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [(reply, reply.may_be_edited_by(request.user)) for reply in page]
    context_fields = {"query": query, "page": page, "rows": rows, "variables": VARIABLES}
    return render(request, "quick_replies/quick_replies.html", context_fields)


def _reply_json(reply: Any, user: User, context: FillContext | None = None) -> dict[str, Any]:
    """With `context` the variables are filled; `problem` says what keeps the text from being sent."""
    text = fill(reply.text, context) if context else reply.text
    return {
        "id": reply.pk,
        "shortcut": reply.shortcut,
        "title": reply.title,
        "text": text,
        "scope": reply.scope,
        "uses": reply.use_count,
        "files": [file_json(values, user=user) for values in reply.file_values],
        "choices": reply.choices,
        "problem": _text_problem(text, has_choices=reply.choices is not None),
    }


def _text_problem(filled: str, *, has_choices: bool) -> str:
    try:
        if has_choices:
            check_question(filled)
    except InvalidChoices as refusal:
        return str(refusal)
    return too_long_sentence(len(filled)) if len(filled) > MAX_MESSAGE_CHARACTERS else ""


def _conversation(request: AgentRequest, pk: str) -> Any:
    """The conversation to fill the variables for, within reach, else 404; None if there is none."""
    if not pk:
        return None
    reachable = request.user.reachable_conversations().select_related("client", "address")
    return get_or_404(reachable, pk=parse_id(pk))


# -- one reply ----------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def new_reply(request: AgentRequest) -> HttpResponse:
    if request.method == "POST" and text_field(request, "draft"):
        # A question of the dialog of choices, to be saved; nothing is yet.
        form = QuickReplyForm(user=request.user, initial={"text": text_field(request, "message")})
        return _form_page(request, form, fields=posted_fields(request) | {"prefix": CHOICE_PREFIX})
    if request.method == "POST":
        return _create(request)
    form = QuickReplyForm(user=request.user, initial={"text": request.GET.get("text", "")})
    return _form_page(request, form)


def _create(request: AgentRequest) -> HttpResponse:
    try:
        fields = _fields(request)
        QuickReply.require_permission(request.user, fields["target"])
        choices = saved_choices_field(request, CHOICE_PREFIX)
        files = _given_files(request) or ()
        reply = QuickReply.create(by=request.user, **fields, files=files, choices=choices, at=now())
    except ActionRefused as refusal:
        return _refused(request, refusal)
    if wants_json(request):
        return responses.success_response(**_reply_json(_get_reply(request, reply.pk), request.user))
    messages.success(request, _("Réponse « /%(shortcut)s » créée.") % {"shortcut": reply.shortcut})
    return redirect("quick_replies")


@require_http_methods(["GET", "HEAD", "POST", "DELETE"])
@agent_required
def quick_reply(request: AgentRequest, pk: int) -> HttpResponse:
    reply = _get_reply(request, pk)
    if request.method == "DELETE":
        return _delete(request, reply)
    if request.method == "POST":
        return _change(request, reply)
    if wants_json(request):
        return JsonResponse(_reply_json(reply, request.user))
    initial = {name: getattr(reply, name) for name in FIELDS} | {"scope": reply.target.key}
    return _form_page(request, QuickReplyForm(user=request.user, initial=initial), reply)


def _get_reply(request: AgentRequest, pk: int) -> QuickReply:
    visible = QuickReply.objects.visible_to(request.user).select_related("team", "owner").with_files()
    reply: QuickReply = get_or_404(visible, pk=pk)
    return reply


def _change(request: AgentRequest, reply: QuickReply) -> HttpResponse:
    version = id_field(request, "version") or None
    try:
        reply.require_editable(request.user)
        fields, files = _fields(request, reply), _given_files(request, reply)
        reply.change(
            by=request.user, **fields, version=version, files=files, **_changed_choices(request), at=now()
        )
    except ActionRefused as refusal:
        reply.refresh_from_db()
        return _refused(request, refusal, reply)
    if wants_json(request):
        return responses.success_response(**_reply_json(_get_reply(request, reply.pk), request.user))
    messages.success(request, _("Enregistré."))
    return redirect("quick_replies")


@require_POST
@agent_required
def delete_reply(request: AgentRequest, pk: int) -> HttpResponse:
    return _delete(request, _get_reply(request, pk))


def _delete(request: AgentRequest, reply: QuickReply) -> HttpResponse:
    refusal, message = None, _("Réponse « /%(shortcut)s » supprimée.") % {"shortcut": reply.shortcut}
    try:
        reply.remove(by=request.user)
    except ActionRefused as error:
        refusal = error
    if wants_json(request):
        return responses.refusal_response(refusal) if refusal else responses.success_response()
    return responses.redirect_with_message(request, "quick_replies", message=message, refusal=refusal)


@require_POST
@agent_required
def use_reply(request: AgentRequest, pk: int) -> HttpResponse:
    """Count the insertion of a reply into a message; answers with its text for the conversation."""
    reply = _get_reply(request, pk)
    conversation = _conversation(request, text_field(request, "conversation"))
    reply.record_use(at=now())
    reply.refresh_from_db(fields=["use_count"])
    context = context_for(request.user, conversation) if conversation else None
    return responses.success_response(**_reply_json(reply, request.user, context))


@require_POST
@agent_required
def preview(request: AgentRequest) -> HttpResponse:
    """The text of the form as a client would read it, while it is being typed."""
    fields = posted_fields(request, CHOICE_PREFIX)
    context = _preview_context(request, text_field(request, "text"), fields)
    return render(request, "quick_replies/_preview.html", context)


def _preview_context(request: AgentRequest, text: str, fields: dict[str, Any]) -> dict[str, Any]:
    filled = fill(text.strip(), context_for(request.user))
    return {
        "preview": filled,
        "preview_choices": {
            "button": (fields["button"] or _("Choisir")) if fields["kind"] == LIST else "",
            "items": fields["filled"],
        },
        "preview_unknown": [f"{{{name}}}" for name in unknown_variables(text)],
        "preview_problem": _text_problem(filled, has_choices=bool(fields["filled"])),
    }


def _fields(request: AgentRequest, reply: QuickReply | None = None) -> dict[str, Any]:
    """The fields of the form or of the JSON body; those that a change leaves out stay. Raises InvalidField."""
    given = {name: text_field(request, name) for name in FIELDS}
    if reply is not None and wants_json(request):
        current = {name: getattr(reply, name) for name in FIELDS} | {"scope": reply.target.key}
        given = {name: value or current[name] for name, value in given.items()}
    return {"target": parse_target(given.pop("scope"), request.user), **given}


class _ChangedChoices(TypedDict, total=False):
    choices: Choices | None
    removes_choices: bool


def _changed_choices(request: AgentRequest) -> _ChangedChoices:
    """Those of the reply stay, if nothing is said of choices. Raises InvalidChoices."""
    if not any(has_field(request, name) for name in ("choices", "kind", f"{CHOICE_PREFIX}title")):
        return {}
    choices = saved_choices_field(request, CHOICE_PREFIX)
    return {"choices": choices, "removes_choices": choices is None}


def _given_files(request: AgentRequest, reply: QuickReply | None = None) -> list[OutgoingFile] | None:
    """Those of the reply without `remove_file`, then the `files` of the request; None if nothing is said of files.

    Raises FileRefused.
    """
    if refusal := upload_refusal(request):
        raise refusal
    removed = {parse_id(pk) for pk in text_list_field(request, "remove_file")}
    uploads = request.FILES.getlist("files")
    if not removed and not uploads:
        return None
    kept = reply.files.select_related("file").exclude(pk__in=removed) if reply else ()
    return [*outgoing_files(kept), *store_uploads(uploads, at=now())]


def _refused(request: AgentRequest, refusal: ActionRefused, reply: QuickReply | None = None) -> HttpResponse:
    if wants_json(request):
        return responses.refusal_response(refusal)
    form = QuickReplyForm({name: text_field(request, name) for name in FIELDS}, user=request.user)
    form.show_refusal(refusal.code if isinstance(refusal, InvalidField) else None, str(refusal))
    return _form_page(
        request, form, reply, fields=posted_fields(request, CHOICE_PREFIX), status=refusal.http_status
    )


def _form_page(
    request: AgentRequest,
    form: QuickReplyForm,
    reply: QuickReply | None = None,
    *,
    fields: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    """`fields` are those of the choices as typed; without them the stored ones are shown."""
    fields = fields or stored_fields(reply.choices if reply else None, CHOICE_PREFIX)
    context = {
        "form": form,
        "reply": reply,
        "may_edit": reply is None or reply.may_be_edited_by(request.user),
        "variables": VARIABLES,
        "accepted_files": accept_attribute(),
        "max_files": MAX_FILES_PER_SEND,
        "files": reply.files.select_related("file") if reply else (),
        "fields": fields,
        **_preview_context(request, form["text"].value() or "", fields),
    }
    return render(request, "quick_replies/quick_reply.html", context, status=status)


@require_safe
@login_required
def reply_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A file, for those who see its reply."""
    visible = QuickReply.objects.filter(visible_to(cast(User, request.user)))
    found: QuickReplyFile = get_or_404(
        QuickReplyFile.objects.select_related("file"), pk=pk, reply__in=visible
    )
    try:
        content = found.file.read(chunk_bytes=FILE_CHUNK_BYTES)
    except FileNotFoundError as error:
        raise Http404 from error
    is_inline = found.content_type.startswith(INLINE_TYPES)
    disposition = content_disposition_header(not is_inline, found.filename)
    return StreamingHttpResponse(
        content,
        content_type=found.content_type if is_inline else "application/octet-stream",
        headers={
            "Content-Length": str(found.file.size),
            "Content-Disposition": disposition or "inline",
            "X-Content-Type-Options": "nosniff",
            # A PDF may contain scripts: the sandbox lets them reach nothing.
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, max-age=86400, immutable",
        },
    )


# -- CSV ----------------------------------------------------------------------------------------------------


@require_safe
@agent_required
def export_replies(request: AgentRequest) -> HttpResponse:
    replies = QuickReply.objects.visible_to(request.user).select_related("team")
    text = csv_files.write_csv(replies.order_by("scope", "shortcut_key", "pk"))
    audit.record("quick replies exported", actor=request.user.pk)
    return HttpResponse(
        text,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="reponses-{localdate():%Y-%m-%d}.csv"'},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def import_page(request: AgentRequest) -> HttpResponse:
    """First a preview of the file's lines, then, with `confirm`, the import and its report."""
    if request.method != "POST":
        return render(request, "quick_replies/import.html", {"columns": csv_files.COLUMNS})
    is_confirmed = bool(text_field(request, "confirm"))
    try:
        text = _file_text(request)
        rows = (
            csv_files.import_replies(text, by=request.user, at=now())
            if is_confirmed
            else csv_files.plan_import(text, by=request.user)
        )
    except ActionRefused as refusal:
        if wants_json(request):
            return responses.refusal_response(refusal)
        context: dict[str, Any] = {"columns": csv_files.COLUMNS, "problem": str(refusal)}
        return render(request, "quick_replies/import.html", context, status=refusal.http_status)
    return _import_report(request, rows, text, is_confirmed=is_confirmed)


def _file_text(request: AgentRequest) -> str:
    file = request.FILES.get("file")
    if isinstance(file, UploadedFile):
        return csv_files.decode(file.read(csv_files.MAX_FILE_BYTES + 1))
    text = text_field(request, "text")
    if not text.strip():
        raise csv_files.UnreadableFile(_("Choisissez un fichier CSV."))
    return csv_files.decode(text.encode())


def _import_report(
    request: AgentRequest, rows: list[ImportRow], text: str, *, is_confirmed: bool
) -> HttpResponse:
    counts = {action.value: sum(row.action is action for row in rows) for action in ImportAction}
    if wants_json(request):
        refused = [{"line": row.line, "error": row.problem} for row in rows if row.problem]
        remarks = [{"line": row.line, "remark": row.remark} for row in rows if row.remark]
        return responses.success_response(
            imported=is_confirmed,
            created=counts["create"],
            updated=counts["update"],
            unchanged=counts["unchanged"],
            refused=refused,
            **({"remarks": remarks} if remarks else {}),
        )
    # What needs a decision first: refusals, then changes.
    order = [ImportAction.REFUSE, ImportAction.UPDATE, ImportAction.CREATE, ImportAction.UNCHANGED]
    shown = sorted(rows, key=lambda row: (order.index(row.action), row.line))
    context = {
        "rows": shown[:MAX_PREVIEW_ROWS],
        "hidden_count": max(0, len(shown) - MAX_PREVIEW_ROWS),
        "counts": counts,
        "importable": counts["create"] + counts["update"],
        "text": text,
        "is_confirmed": is_confirmed,
        "summary": _summary(counts),
    }
    return render(request, "quick_replies/import_report.html", context)


def _summary(counts: dict[str, int]) -> list[str]:
    sentences = {
        "create": ngettext("%(count)s nouvelle", "%(count)s nouvelles", counts["create"]),
        "update": ngettext("%(count)s modifiée", "%(count)s modifiées", counts["update"]),
        "unchanged": ngettext("%(count)s inchangée", "%(count)s inchangées", counts["unchanged"]),
        "refuse": ngettext("%(count)s ligne refusée", "%(count)s lignes refusées", counts["refuse"]),
    }
    return [sentence % {"count": counts[name]} for name, sentence in sentences.items() if counts[name]]
