"""The search page, and its results as JSON."""

from __future__ import annotations

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from relais.accounts.models import User
from relais.conversations.list_filters import STATUSES
from relais.conversations.tags import Tag
from relais.search import results
from relais.search.filters import KINDS, ORDERS, SearchFilters, parse_search
from relais.search.results import ResultPage
from relais.web.errors import wants_json
from relais.web.responses import AgentRequest, agent_required


@require_safe
@agent_required
def search(request: AgentRequest) -> HttpResponse:
    filters = parse_search(request.GET.dict())
    page = results.search(filters, request.user)
    if wants_json(request):
        return _json_response(filters, page)
    context = {
        "filters": filters,
        "page": page,
        "next": _next_url(request, page),
        "kinds": KINDS,
        "orders": ORDERS,
        "statuses": STATUSES,
        "agents": User.objects.all(),
        "tags": Tag.objects.in_order(),
    }
    return render(request, "search/search.html", context)


def _json_response(filters: SearchFilters, page: ResultPage) -> JsonResponse:
    back_to = page.searched_back_to
    return JsonResponse(
        {
            "results": [hit.as_json() for hit in page.hits],
            "next": page.next or None,
            "searched_back_to": back_to.isoformat() if back_to else None,
            "ignored": filters.invalid_fields,
            "unknown_tag": filters.tag if filters.is_unknown_tag else None,
        }
    )


def _next_url(request: AgentRequest, page: ResultPage) -> str:
    if not page.next:
        return ""
    query = request.GET.copy()
    query["after"] = page.next
    return f"{request.path}?{query.urlencode()}"
