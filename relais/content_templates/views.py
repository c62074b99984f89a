"""The account's templates: a page for administrators, and a search as JSON for every agent."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from relais.content_templates.models import ContentTemplate, TemplateSync
from relais.content_templates.states import TemplateStatus
from relais.web.errors import wants_json
from relais.web.request_fields import search_query
from relais.web.responses import AgentRequest, agent_required

PAGE_SIZE = 50
MAX_RESULTS = 500


@require_safe
@agent_required
def templates(request: AgentRequest) -> HttpResponse:
    query = search_query(request)
    status = request.GET.get("status", "")
    found = ContentTemplate.objects.listed().matching(query)
    if status in TemplateStatus.values:
        found = found.filter(status=status)
    if wants_json(request):
        return JsonResponse({"results": [template_json(each) for each in found[:MAX_RESULTS]]})
    if not request.user.is_admin:
        raise PermissionDenied
    context = {
        "query": query,
        "status": status,
        "statuses": TemplateStatus.choices,
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "sync": TemplateSync.current(),
    }
    return render(request, "content_templates/templates.html", context)


def template_json(template: ContentTemplate) -> dict[str, Any]:
    content = template.parsed
    return {
        "content_sid": template.content_sid,
        "name": template.name,
        "language": template.language,
        "status": template.status,
        "category": template.category,
        "body": content.text,
        "variables": template.variables,
        "buttons": [each.title for each in content.buttons],
        "rejection_reason": template.rejection_reason,
    }
