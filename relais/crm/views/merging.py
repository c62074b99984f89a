"""Merging clients: the page to choose the other one, merging, undoing, dismissing a suggestion."""

from __future__ import annotations

from django.db import IntegrityError, OperationalError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from relais.accounts.models import User
from relais.action_errors import ActionRefused, InvalidField
from relais.clients.models import Client, ClientMerge
from relais.conversations.client_merge import merge_clients, undo_merge
from relais.conversations.client_reach import clients_within_reach
from relais.crm.directory import page_of_clients
from relais.crm.duplicates import dismiss_duplicate, duplicates_of
from relais.crm.views.pages import search_text
from relais.crm.views.responses import client_not_found, client_required
from relais.web.errors import wants_json
from relais.web.request_fields import id_field
from relais.web.responses import (
    AgentRequest,
    agent_required,
    redirect_with_message,
    refusal_response,
    success_response,
)

MAX_ATTEMPTS = 3
PAGE_SIZE = 20


@require_http_methods(["GET", "HEAD", "POST"])
@client_required
def merge(request: AgentRequest, client: Client) -> HttpResponse:
    """Merge `other` into this client; without it, the page to find that one."""
    if request.method != "POST":
        return _choose(request, client)
    other = _find_other(request)
    if other is None:
        return client_not_found(request)
    try:
        merged = _merge(client, other, request.user)
    except ActionRefused as refusal:
        if wants_json(request):
            return refusal_response(refusal)
        return redirect_with_message(request, "client", client.pk, refusal=refusal)
    if wants_json(request):
        return success_response(merge_id=merged.pk)
    message = _("%(name)s est maintenant dans cette fiche.") % {"name": other.display_name}
    return redirect_with_message(request, "client", client.pk, message=message)


def _merge(client: Client, other: Client, by: User) -> ClientMerge:
    if client.pk == other.pk:
        raise InvalidField("other", _("C'est le même client."))
    # A message that opens a conversation at the same moment: the one who lost the race starts again.
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return merge_clients(client.pk, other.pk, at=now(), by=by)
        except (IntegrityError, OperationalError):
            if attempt == MAX_ATTEMPTS:
                raise
    raise AssertionError


def _choose(request: AgentRequest, client: Client) -> HttpResponse:
    text = search_text(request)
    rows = page_of_clients(request.user, text=text, size=PAGE_SIZE).rows if text else []
    context = {
        "client": client,
        "text": text,
        "rows": [row for row in rows if row.pk != client.pk],
        "duplicates": duplicates_of(client, request.user),
    }
    return render(request, "crm/merge.html", context)


@require_POST
@agent_required
def undo(request: AgentRequest, merge_id: str) -> HttpResponse:
    merge = ClientMerge.objects.select_related("kept").filter(pk=int(merge_id)).first()
    if merge is None or not _is_within_reach(request.user, merge):
        return client_not_found(request)
    try:
        remaining = undo_merge(merge, by=request.user, at=now())
    except ActionRefused as refusal:
        if wants_json(request):
            return refusal_response(refusal)
        return redirect_with_message(request, "client", merge.kept_id, refusal=refusal)
    if wants_json(request):
        return success_response(merge_id=merge.pk, remaining=remaining)
    message = " ".join([_("La fusion est annulée."), *remaining])
    return redirect_with_message(request, "client", merge.kept_id, message=message)


def _is_within_reach(user: User, merge: ClientMerge) -> bool:
    """Of a client who was merged again, by the one who has the conversations now."""
    client = merge.kept
    while client.merged_into:
        client = client.merged_into
    return clients_within_reach(user).filter(pk=client.pk).exists()


@require_POST
@client_required
def dismiss(request: AgentRequest, client: Client) -> HttpResponse:
    other = _find_other(request)
    if other is None:
        return client_not_found(request)
    dismiss_duplicate(client, other, by=request.user, at=now())
    if wants_json(request):
        return success_response()
    return redirect_with_message(request, "merge_client", client.pk)


def _find_other(request: AgentRequest) -> Client | None:
    reachable = clients_within_reach(request.user).prefetch_related("addresses")
    return reachable.filter(pk=id_field(request, "other")).first()
