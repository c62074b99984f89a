"""The import of clients: upload, columns and preview, progress, report. For supervisors and admins."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from relais.accounts.permissions import IMPORT_CLIENTS, role_required
from relais.action_errors import ActionRefused
from relais.clients.models import ATTRIBUTE_PREFIX
from relais.clients.phone_numbers import regions_by_name
from relais.crm.client_import import (
    configure_import,
    create_import,
    discard_import,
    outcome_counts,
    preview_import,
    start_import,
)
from relais.crm.import_columns import TARGET_LABELS, target_label
from relais.crm.import_files import MAX_FILE_BYTES, UnreadableFile, read_file
from relais.crm.models import ClientImport, ImportState, RowOutcome
from relais.web.csv_text import BYTE_ORDER_MARK, DELIMITER, guard_formula
from relais.web.errors import wants_json
from relais.web.request_fields import text_field, text_list_field
from relais.web.responses import (
    AgentRequest,
    agent_required,
    error_response,
    redirect_with_message,
    refusal_response,
    success_response,
)

MAX_LISTED_IMPORTS = 20
MAX_LISTED_REFUSALS = 100
SAMPLE_VALUES = 3


def _importer_required(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    return agent_required(role_required(IMPORT_CLIENTS)(view))


def _with_import(
    view: Callable[[AgentRequest, ClientImport], HttpResponse],
) -> Callable[..., HttpResponse]:
    @_importer_required
    @wraps(view)
    def wrapper(request: AgentRequest, import_id: str) -> HttpResponse:
        found = ClientImport.objects.filter(pk=int(import_id)).first()
        if found is None:
            if not wants_json(request):
                raise Http404
            return error_response(404, "not_found", _("Cet import n'existe pas."))
        return view(request, found)

    return wrapper


# -- upload -------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@_importer_required
def upload(request: AgentRequest) -> HttpResponse:
    if request.method != "POST":
        return _upload_page(request)
    try:
        file = request.FILES.get("file")
        if not isinstance(file, UploadedFile):
            raise UnreadableFile(_("Choisissez un fichier CSV ou XLSX."))
        content = read_file(file.read(MAX_FILE_BYTES + 1))
        draft = create_import(content, file.name or "", by=request.user, at=now())
    except ActionRefused as refusal:
        if wants_json(request):
            return refusal_response(refusal)
        return _upload_page(request, refusal)
    if wants_json(request):
        return success_response(**_import_json(draft), preview=_preview_json(draft))
    return redirect("client_import", draft.pk)


def _upload_page(request: AgentRequest, refusal: ActionRefused | None = None) -> HttpResponse:
    context = {
        "imports": ClientImport.objects.all()[:MAX_LISTED_IMPORTS],
        "refusal": refusal,
    }
    return render(request, "crm/import.html", context, status=refusal.http_status if refusal else 200)


# -- one import ---------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@_with_import
def client_import(request: AgentRequest, found: ClientImport) -> HttpResponse:
    """The columns and the preview of a draft, the progress of a running import, or the report of a finished one.

    POST assigns the columns; with `run` it starts the import, too.
    """
    refusal: ActionRefused | None = None
    if request.method == "POST":
        try:
            configure_import(
                found,
                targets=_submitted_targets(request),
                region=text_field(request, "region") or found.region,
                replaces_filled=text_field(request, "replaces_filled") in ("1", "true", "on", "True"),
                by=request.user,
            )
            if text_field(request, "run"):
                start_import(found, by=request.user, at=now())
        except ActionRefused as error:
            refusal = error
            found.refresh_from_db()
        if refusal and wants_json(request):
            return refusal_response(refusal)
        if not refusal and not wants_json(request):
            return redirect("client_import", found.pk)
    if wants_json(request):
        fields = _import_json(found)
        if found.state == ImportState.DRAFT:
            fields["preview"] = _preview_json(found)
        return success_response(**fields)
    # htmx shows a preview with the refusal only when the response is a success.
    status = refusal.http_status if refusal and not request.htmx else 200
    if found.state == ImportState.DRAFT:
        targets = _submitted_targets(request) if refusal else found.targets
        return render(
            request, "crm/import_draft.html", _draft_context(found, targets, refusal), status=status
        )
    return render(
        request, "crm/import_report.html", _report_context(found) | {"refusal": refusal}, status=status
    )


def _submitted_targets(request: AgentRequest) -> list[str]:
    """Of each column; for a new attribute, `attribute` with the column's title is enough."""
    return [target.strip() for target in text_list_field(request, "targets")]


def _draft_context(draft: ClientImport, targets: list[str], refusal: ActionRefused | None) -> dict[str, Any]:
    preview = preview_import(draft) if not refusal else None
    rows = list(draft.rows.all()[: SAMPLE_VALUES * 10])
    columns = []
    for number, title in enumerate(draft.titles):
        samples = [cell for row in rows if (cell := row.cells[number])][:SAMPLE_VALUES]
        target = targets[number] if number < len(targets) else ""
        attribute = title.strip() or _("Colonne %(number)s") % {"number": number + 1}
        own = ATTRIBUTE_PREFIX + attribute
        columns.append(
            {
                "title": title or attribute,
                "samples": samples,
                "target": target,
                "attribute": own,
                "attribute_label": attribute,
            }
        )
    return {
        "draft": draft,
        "columns": columns,
        "targets": {target: target_label(target) for target in TARGET_LABELS},
        "regions": regions_by_name(get_language() or "fr"),
        "preview": preview,
        "refusal": refusal,
    }


@require_POST
@_with_import
def discard(request: AgentRequest, found: ClientImport) -> HttpResponse:
    refusal: ActionRefused | None = None
    try:
        discard_import(found, by=request.user)
    except ActionRefused as error:
        refusal = error
    if wants_json(request):
        return refusal_response(refusal) if refusal else success_response()
    return redirect_with_message(
        request, "import_clients", refusal=refusal, message=_("Fichier supprimé, rien n'a été importé.")
    )


@require_safe
@_with_import
def progress(request: AgentRequest, found: ClientImport) -> HttpResponse:
    """The part of the page that changes while the import runs."""
    return render(request, "crm/_import_progress.html", _report_context(found))


def _report_context(found: ClientImport) -> dict[str, Any]:
    counts = outcome_counts(found)
    refused = found.rows.filter(outcome=RowOutcome.REFUSED)
    return {
        "import": found,
        "counts": counts,
        "processed": sum(counts.values()),
        "refused_rows": refused[:MAX_LISTED_REFUSALS],
        "hidden_count": max(0, counts["refused"] - MAX_LISTED_REFUSALS),
        "summary": _summary(counts),
    }


def _summary(counts: Any) -> list[str]:
    sentences = {
        "created": ngettext("%(count)s nouveau", "%(count)s nouveaux", counts["created"]),
        "updated": ngettext("%(count)s modifié", "%(count)s modifiés", counts["updated"]),
        "unchanged": ngettext("%(count)s inchangé", "%(count)s inchangés", counts["unchanged"]),
        "refused": ngettext("%(count)s ligne refusée", "%(count)s lignes refusées", counts["refused"]),
    }
    return [sentence % {"count": counts[name]} for name, sentence in sentences.items() if counts[name]]


@require_safe
@_with_import
def refused_rows(request: AgentRequest, found: ClientImport) -> Any:
    """As a CSV: the lines as they were, with their number and the reason, to be corrected and imported again."""

    def chunks() -> Any:
        yield BYTE_ORDER_MARK + _csv_line([*found.titles, titles[0], titles[1]])
        for row in found.rows.filter(outcome=RowOutcome.REFUSED).iterator(chunk_size=1_000):
            yield _csv_line([*row.cells, str(row.number), row.problem])

    titles = (_("Ligne"), _("Motif du refus"))
    response = StreamingHttpResponse(chunks(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="import-{found.pk}-refus.csv"'
    return response


def _csv_line(cells: list[str]) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=DELIMITER, lineterminator="\r\n").writerow(
        [guard_formula(cell) for cell in cells]
    )
    return file.getvalue()


# -- JSON ---------------------------------------------------------------------------------------------------


def _import_json(found: ClientImport) -> dict[str, Any]:
    counts = outcome_counts(found)
    return {
        "id": found.pk,
        "state": found.state,
        "file_name": found.file_name,
        "titles": found.titles,
        "targets": found.targets,
        "region": found.region,
        "replaces_filled": found.replaces_filled,
        "rows": found.row_count,
        "processed": sum(counts.values()),
        **counts,
        "refusals": [
            {"line": row.number, "error": row.problem}
            for row in found.rows.filter(outcome=RowOutcome.REFUSED)[:MAX_LISTED_REFUSALS]
        ],
    }


def _preview_json(draft: ClientImport) -> list[dict[str, Any]]:
    return [
        {
            "line": each.row.number,
            "outcome": each.outcome,
            "error": each.problem or None,
            "client": each.plan.client.pk if each.plan and each.plan.client else None,
            "changed": each.plan.changed if each.plan else [],
        }
        for each in preview_import(draft).rows
    ]
