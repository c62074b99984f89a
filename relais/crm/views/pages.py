"""The list of clients and the card of one."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from relais.accounts.models import User
from relais.accounts.permissions import IMPORT_CLIENTS
from relais.clients.models import Client, ClientMerge
from relais.crm.card import client_card, client_row
from relais.crm.client_timeline import client_timeline, conversations_of_client
from relais.crm.directory import page_of_clients
from relais.crm.duplicates import duplicates_of
from relais.crm.views.responses import client_required
from relais.web.errors import wants_json
from relais.web.request_fields import parse_id
from relais.web.responses import AgentRequest, agent_required

MAX_SEARCH_CHARACTERS = 100
MAX_CHANGES = 30
"""The most recent changes that the card shows."""


def search_text(request: AgentRequest) -> str:
    return request.GET.get("q", "").replace("\x00", "").strip()[:MAX_SEARCH_CHARACTERS]


@require_safe
@agent_required
def clients(request: AgentRequest) -> HttpResponse:
    text = search_text(request)
    page = page_of_clients(request.user, text=text, after=request.GET.get("after", ""))
    if wants_json(request):
        return JsonResponse({"results": [client_row(row) for row in page.rows], "next": page.next or None})
    next_query = urlencode({"q": text, "after": page.next}) if page.next else ""
    context = {
        "rows": page.rows,
        "text": text,
        "next_query": next_query,
        "is_first": "after" not in request.GET,
        "may_import": request.user.is_at_least(IMPORT_CLIENTS),
        "export_query": urlencode({"q": text}) if text else "",
    }
    return render(request, "crm/clients.html", context)


@require_safe
@client_required
def client(request: AgentRequest, client: Client) -> HttpResponse:
    conversations = conversations_of_client(request.user, client)
    if wants_json(request):
        return JsonResponse(client_card(client, conversations))
    addresses = sorted(client.addresses.all(), key=lambda address: address.pk)
    context = {
        "client": client,
        "addresses": addresses,
        "may_be_written_to": any(each.phone_number and not each.opted_out_at for each in addresses),
        "conversations": conversations,
        "timeline": client_timeline(conversations, before=_before(request)),
        "merges": _merges(request.user, client),
        "duplicates": duplicates_of(client, request.user),
        "changes": client.changes.all()[:MAX_CHANGES],
        "is_earlier_page": _before(request) is not None,
    }
    return render(request, "crm/client.html", context)


@require_safe
@client_required
def timeline(request: AgentRequest, client: Client) -> HttpResponse:
    """An earlier page of the timeline, for the reader who scrolls up."""
    conversations = conversations_of_client(request.user, client)
    context = {"client": client, "timeline": client_timeline(conversations, before=_before(request))}
    return render(request, "crm/_timeline_page.html", context)


def _merges(user: User, client: Client) -> list[tuple[ClientMerge, bool]]:
    """Those that are in force, and whether the user may undo them."""
    merges = client.merges.filter(undone_at=None).select_related("merged")
    return [(merge, user.is_supervisor or merge.author_id == user.pk) for merge in merges]


def _before(request: AgentRequest) -> int | None:
    return parse_id(request.GET.get("before", "")) or None
