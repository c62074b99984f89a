"""The clients of the list as a file."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, StreamingHttpResponse
from django.utils.timezone import localdate
from django.views.decorators.http import require_safe

from relais.accounts import audit
from relais.action_errors import ActionRefused
from relais.crm.client_export import ClientTable
from relais.crm.views.pages import search_text
from relais.web.errors import wants_json
from relais.web.responses import AgentRequest, agent_required, redirect_with_message, refusal_response

WORKBOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@require_safe
@agent_required
def export_clients(request: AgentRequest) -> Any:
    """Those within reach that the search `q` finds; `format=xlsx` for a workbook."""
    table = ClientTable(request.user, search_text(request))
    is_workbook = request.GET.get("format") == "xlsx"
    response: FileResponse | StreamingHttpResponse
    try:
        if is_workbook:
            response = FileResponse(table.write_workbook(), content_type=WORKBOOK_TYPE)
        else:
            response = StreamingHttpResponse(table.csv_chunks(), content_type="text/csv; charset=utf-8")
    except ActionRefused as refusal:
        if wants_json(request):
            return refusal_response(refusal)
        return redirect_with_message(request, "clients", refusal=refusal)
    extension = "xlsx" if is_workbook else "csv"
    response["Content-Disposition"] = f'attachment; filename="clients-{localdate():%Y-%m-%d}.{extension}"'
    audit.record("clients exported", actor=request.user.pk, kind=extension)
    return response
